# Adds up the results of `cargo test` into one line, "N passed, N failed" and ", N skipped" if any.
#
#   awk -v status=EXIT_STATUS -f tally.awk LOG
#
# Fails if a test did, if the run did (EXIT_STATUS, cargo's), or if no test ran.

# Colours, where they are asked for although nobody looks.
{ gsub(/\033(\[[0-9;]*m|\(B)/, "") }

/^ +Running .*\(.*\)$/ || /^ +Doc-tests / { finish_program(); program = $0 }

/^test result: / {
    passed += $4
    failed += $6
    skipped += $8
    program = ""
}

END {
    finish_program()
    if (status != 0 && failed == 0) {
        print "the run failed (status " status "), although no single test did"
        failed = 1
    }
    if (passed + failed == 0)
        print "no test ran"
    print passed + 0 " passed, " failed + 0 " failed" (skipped ? ", " skipped " skipped" : "")
    exit status != 0 || failed > 0 || passed == 0
}

# A program that crashed has printed no result, and stands for one failed test.
function finish_program() {
    if (program == "")
        return
    sub(/^ +/, "", program)
    print "ended without a result: " program
    failed++
}
