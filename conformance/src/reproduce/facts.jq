# All that was seen, as one document; and what a matcher says of a part of it.

def unescaped: gsub("~1"; "/") | gsub("~0"; "~");
def tokens: split("/")[1:] | map(unescaped);

# The records of the journal; a runtime's or program's own output may stand between or before them.
def records: $journal | split("\n") | map(capture("(?<it>\\{\"nonce\":\".*)$")? | .it | fromjson?);

# The name of what happened, by which it stands in `.journal`.
def called:
    if .writer == "harness" then "\(.event) \(.step)"
    elif .event == "reported" then "\(.writer) reported \(.moment)"
    elif .event == "signal" or .event == "handling" then "\(.writer) \(.event) \(.signal)"
    elif .event == "fact" then empty
    else "\(.writer) \(.event)" end;
def labels: reduce (to_entries[] | {index: .key, label: (.value | called)}) as $it ({}; .[$it.label] += [$it.index]);

# The place of a token path in a document: in a list a token is a number.
def place($tokens): . as $document | reduce $tokens[] as $token ([];
    . as $above | . + [if ($document | getpath($above) | type) == "array" then ($token | tonumber) else $token end]);

# What a writer told of a moment. A record is a part of a document, or goes on with the text of the one before.
def told($writer; $moment): reduce (.[] | select(.event == "fact" and .writer == $writer and .moment == $moment)) as $it
    ({facts: {}, open: false};
    (.facts | place($it.path | tokens)) as $place
    | .open as $open
    | .facts |= setpath($place; if $open then getpath($place) + $it.value else $it.value end)
    | .open = ($it.more // false))
    | .facts
    # That a listing is complete, a record says by a mark in it.
    | walk(if type == "object" then del(."$complete") else . end);

def octal: gsub("\\\\040"; " ") | gsub("\\\\011"; "\t") | gsub("\\\\134"; "\\");

# /proc/PID/mountinfo by mount point; what lies topmost comes last.
def mounts: [split("\n")[]
    | capture("^(?<id>[0-9]+) (?<parent>[0-9]+) [^ ]+ (?<root>[^ ]+) (?<point>[^ ]+) (?<options>[^ ]+)(?<tags>.*?) - (?<type>[^ ]+) (?<source>[^ ]*) (?<super>.*)$")]
    | to_entries
    | map({(.value.point | octal): (.key as $order | .value | {
        id: (.id | tonumber), parent: (.parent | tonumber), root: (.root | octal), type: .type, source: (.source | octal),
        options: (.options | split(",")), "super-options": (.super | octal | split(",")), order: $order,
        propagation: ([.tags | split(" ")[] | select(. != "") | split(":")[0]
            | {shared: "shared", master: "slave", unbindable: "unbindable"}[.] // empty]
            | if . == [] then ["private"] else . end)})})
    | add // {};
def with_mounts: if (.mountinfo | type) == "string"
    then .mounts = (.mountinfo | mounts) | ."mount-points" = [.mountinfo | split("\n")[] | split(" ")[4] // empty | octal] | del(.mountinfo)
    else . end;

def inside: . as $records
    | [.[] | select(.event == "fact" or .event == "reported") | select(.writer | startswith("process")) | {writer, moment}] | unique
    | map(. as $it | {($it.moment): ($records | told($it.writer; $it.moment) | with_mounts)}) | add // {};

def hooks: . as $records
    | [.[] | select(.event == "fact") | .writer | select(startswith("hook:"))] | unique
    | reduce .[] as $writer ({}; ($writer[5:] | split("/")) as $place | setpath($place;
        ($records | told($writer; "hook") | with_mounts | . + (.stdin | try {state: fromjson} catch {}))));

def facts: records as $records | {
    before: ($before | with_mounts), steps: $steps, host: $host,
    journal: ($records | labels), inside: ($records | inside), hooks: ($records | hooks)};

# The value at a JSON Pointer, in a list; an empty list if there is none.
def found($pointer): reduce ($pointer | tokens)[] as $token ([.]; if . == [] then . else .[0]
    | if type == "object" and has($token) then [.[$token]]
    elif type == "array" and ($token | test("^[0-9]+$")) and ($token | tonumber) < length then [.[$token | tonumber]]
    else [] end end);

def includes($part): if type == "array" then any(.[]; . == $part) elif type == "object" then has($part) else contains($part) end;

def launches: .steps | to_entries | map(select(.value.verb == "create" or .value.verb == "start" or .value.verb == "run"));
def refused($matcher): (launches | map(select($matcher.at == null or .key == $matcher.at))
        | any(.[]; .value.failed and (.value.timeout | not)))
    and (.journal | has("process ran") | not);

def holds($pointer; $matcher): ($matcher | to_entries[0]) as {key: $kind, value: $wanted}
    | if $kind == "refused" then refused($wanted) else . as $all | found($pointer) as $it
    | if $kind == "present" then $it != []
    elif $kind == "absent" then $it == []
    elif $it == [] then false
    else $it[0]
        | if $kind == "equals" then . == $wanted
        elif $kind == "one-of" then . as $value | any($wanted[]; . == $value)
        elif $kind == "contains" then includes($wanted)
        elif $kind == "lacks" then includes($wanted) | not
        elif $kind == "at-most" then . <= $wanted
        elif $kind == "at-least" then . >= $wanted
        elif $kind == "same-as" then [.] == ($all | found($wanted))
        elif $kind == "differs-from" then [.] != ($all | found($wanted))
        elif $kind == "before" then min < ($all | found($wanted)[0] | min)
        else error("no matcher is named \($kind)") end end end;

# Whether it came so far that the fact can be known.
def known($pointer): ($pointer | tokens) as $tokens
    | if $tokens[0] == "inside" then .journal | has("process reported \($tokens[1])") or any(keys[]; test("^process:.* reported ") and endswith(" \($tokens[1])"))
    elif $tokens[0] == "host" then .host | has($tokens[1])
    elif $tokens[0] == "steps" and ($tokens | length) > 1 then .steps | has($tokens[1])
    elif $tokens[0] == "hooks" then .journal | has("hook:\($tokens[1])/\($tokens[2]) ran")
    else true end;
def others($matcher): $matcher | ."same-as" // ."differs-from" // .before // empty;

def judge($step; $pointer; $matcher):
    . as $all
    | (if $matcher | has("refused") then
            (launches | map("\(.key) \(if .value.failed then "failed" else "succeeded" end)")) + [if .journal | has("process ran") then "the program ran" else "the program never ran" end] | join(", ")
        else [found($pointer), (others($matcher) as $other | found($other))] | map(if . == [] then "absent" else .[0] | tojson end) | join("; the other: ") end) as $seen
    | if (.steps | has($step) | not) or ([$pointer, others($matcher)] | all(.[]; . as $it | $all | known($it)) | not)
            or ($seen | contains("$unreadable")) then "unknown \($seen)"
        elif ($matcher | has("before")) and found($matcher.before) == [] then "unknown \($seen)"
        elif holds($pointer; $matcher) then "kept \($seen)" else "broken \($seen)" end;
