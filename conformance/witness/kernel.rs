//! The system calls, declared by hand, each behind a safe function that says no more than the call does.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_uint, c_ulong, c_void};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::calls;

pub const EINVAL: i32 = 22;
pub const ESRCH: i32 = 3;
pub const EBADF: i32 = 9;
pub const EFBIG: i32 = 27;
pub const SIGKILL: i32 = 9;
pub const SIGUSR1: i32 = 10;
pub const SIGSEGV: i32 = 11;
pub const O_NOCTTY: i32 = 0o400;
pub const O_NONBLOCK: i32 = 0o4000;
const O_CLOEXEC: i32 = 0o2_000_000;
const EINTR: i32 = 4;
const ENOTTY: i32 = 25;
const F_GETFD: i32 = 1;
const F_GETFL: i32 = 3;
const F_DUPFD_CLOEXEC: i32 = 1030;
const POLLIN: i16 = 1;
const IN_MODIFY: u32 = 2;
const WNOHANG: i32 = 1;
const TIOCGWINSZ: c_ulong = 0x5413;
const RLIMIT_CORE: u32 = 4;
const SIG_DFL: usize = 0;
const SIG_IGN: u64 = 1;

#[repr(C)]
struct PollFd {
    descriptor: c_int,
    events: i16,
    returned: i16,
}

/// An element of getifaddrs(3)'s list.
#[repr(C)]
struct InterfaceAddress {
    next: *mut InterfaceAddress,
    name: *const c_char,
    flags: c_uint,
    address: *const u8,
    mask: *const u8,
    other: *const u8,
    data: *const c_void,
}

/// What the network's ioctl(2) calls take: a name, and what is asked or told (netdevice(7)).
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    value: [u8; 24],
}

/// A soft and a hard limit.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Limit {
    pub soft: u64,
    pub hard: u64,
}

/// What the C library takes for a signal's disposition; the same on x86_64 and aarch64.
#[repr(C)]
struct Action {
    handler: usize,
    mask: [u64; 16],
    flags: c_int,
    restorer: usize,
}

/// What uname(2) tells; the same on x86_64 and aarch64.
#[repr(C)]
struct Names {
    fields: [[c_char; 65]; 6],
}

/// What statfs(2) tells; the same on x86_64 and aarch64.
#[repr(C)]
#[derive(Default)]
pub struct FileSystem {
    pub magic: i64,
    sizes: [i64; 6],
    id: [i32; 2],
    name_length: i64,
    fragment: i64,
    pub flags: i64,
    spare: [i64; 4],
}

unsafe extern "C" {
    static environ: *const *const c_char;

    fn __errno_location() -> *mut c_int;
    fn _exit(code: c_int) -> !;
    fn execve(path: *const c_char, args: *const *const c_char, environment: *const *const c_char) -> c_int;
    fn fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
    fn fork() -> c_int;
    fn freeifaddrs(list: *mut InterfaceAddress);
    fn getauxval(kind: c_ulong) -> c_ulong;
    fn getifaddrs(list: *mut *mut InterfaceAddress) -> c_int;
    fn getgroups(count: c_int, groups: *mut u32) -> c_int;
    fn getpgid(pid: c_int) -> c_int;
    fn getpid() -> c_int;
    fn getppid() -> c_int;
    fn getresgid(real: *mut u32, effective: *mut u32, saved: *mut u32) -> c_int;
    fn getresuid(real: *mut u32, effective: *mut u32, saved: *mut u32) -> c_int;
    fn getrlimit(resource: c_uint, limit: *mut Limit) -> c_int;
    fn getsid(pid: c_int) -> c_int;
    fn getxattr(path: *const c_char, name: *const c_char, value: *mut c_void, size: usize) -> isize;
    fn inotify_add_watch(descriptor: c_int, path: *const c_char, mask: u32) -> c_int;
    fn inotify_init1(flags: c_int) -> c_int;
    fn ioctl(descriptor: c_int, request: c_ulong, ...) -> c_int;
    fn isatty(descriptor: c_int) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn mount(
        source: *const c_char,
        target: *const c_char,
        kind: *const c_char,
        flags: c_ulong,
        data: *const c_void,
    ) -> c_int;
    fn mknod(path: *const c_char, mode: c_uint, device: u64) -> c_int;
    fn mmap(at: *mut c_void, length: usize, access: c_int, flags: c_int, file: c_int, offset: i64) -> *mut c_void;
    fn pause() -> c_int;
    fn personality(persona: c_ulong) -> c_int;
    fn pipe2(ends: *mut c_int, flags: c_int) -> c_int;
    fn poll(descriptors: *mut PollFd, count: c_ulong, milliseconds: c_int) -> c_int;
    fn prctl(option: c_int, ...) -> c_int;
    fn read(descriptor: c_int, bytes: *mut c_void, size: usize) -> isize;
    fn pread(descriptor: c_int, bytes: *mut c_void, size: usize, offset: i64) -> isize;
    fn select(count: c_int, read: *mut u64, write: *mut u64, other: *mut u64, patience: *mut [c_long; 2]) -> c_int;
    fn sigaction(signal: c_int, action: *const Action, before: *mut Action) -> c_int;
    fn setrlimit(resource: c_uint, limit: *const Limit) -> c_int;
    fn signal(signal: c_int, handler: usize) -> usize;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn statfs(path: *const c_char, facts: *mut FileSystem) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
    fn umask(mask: c_uint) -> c_uint;
    fn uname(names: *mut Names) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn write(descriptor: c_int, bytes: *const c_void, size: usize) -> isize;
}

// ---- the process itself

pub fn exit(code: i32) -> ! {
    // SAFETY: takes a plain number and never returns.
    unsafe { _exit(code) }
}

/// Fails only when a filter refuses it, like any call here that never fails by itself.
pub fn pid() -> io::Result<i32> {
    // SAFETY: takes nothing.
    check(unsafe { getpid() })
}

/// A number that tells this process from any other: from the random bytes that the kernel gives at execve(2).
pub fn random() -> u32 {
    const AT_RANDOM: c_ulong = 25;
    // SAFETY: takes a plain number.
    let bytes = unsafe { getauxval(AT_RANDOM) } as usize as *const u32;
    // The last 4 of the 16; the C library takes its own secrets from the first.
    // SAFETY: if they are given, they are there as long as the process is.
    if bytes.is_null() { 0 } else { unsafe { bytes.add(3).read_unaligned() } }
}

pub fn parent() -> io::Result<i32> {
    // SAFETY: takes nothing.
    check(unsafe { getppid() })
}

pub fn group() -> io::Result<i32> {
    // SAFETY: takes a plain number.
    check(unsafe { getpgid(0) })
}

pub fn session() -> io::Result<i32> {
    // SAFETY: takes a plain number.
    check(unsafe { getsid(0) })
}

/// Real, effective and saved user.
pub fn users() -> io::Result<[u32; 3]> {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: the three pointers are those of live numbers.
    check(unsafe { getresuid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    Ok([real, effective, saved])
}

/// Real, effective and saved group.
pub fn primary_groups() -> io::Result<[u32; 3]> {
    let [mut real, mut effective, mut saved] = [0; 3];
    // SAFETY: the three pointers are those of live numbers.
    check(unsafe { getresgid(&raw mut real, &raw mut effective, &raw mut saved) })?;
    Ok([real, effective, saved])
}

pub fn supplementary_groups() -> io::Result<Vec<u32>> {
    // SAFETY: with a count of 0 nothing is written.
    let count = check(unsafe { getgroups(0, null_mut()) })?;
    let mut groups = vec![0; count as usize];
    // SAFETY: the buffer holds `count` numbers.
    let count = check(unsafe { getgroups(count, groups.as_mut_ptr()) })?;
    groups.truncate(count as usize);
    Ok(groups)
}

/// capget(2): effective, permitted, inheritable.
pub fn capabilities() -> io::Result<[u64; 3]> {
    const VERSION_3: u32 = 0x2008_0522;
    let head = [VERSION_3, 0];
    let mut sets = [0_u32; 6];
    call("capget", [head.as_ptr().addr(), sets.as_mut_ptr().addr(), 0, 0, 0, 0])?;
    Ok([0, 1, 2].map(|set| u64::from(sets[set]) | u64::from(sets[set + 3]) << 32))
}

/// prctl(2) for the options that take numbers and change nothing.
pub fn process_option(option: i32, first: u64, second: u64) -> io::Result<i32> {
    // SAFETY: the callers' options take plain numbers.
    check(unsafe { prctl(option, first as c_ulong, second as c_ulong, 0 as c_ulong, 0 as c_ulong) })
}

pub fn limit(resource: u32) -> io::Result<Limit> {
    let mut limit = Limit { soft: 0, hard: 0 };
    // SAFETY: the pointer is that of a live limit.
    check(unsafe { getrlimit(resource, &raw mut limit) })?;
    Ok(limit)
}

/// Keeps a child that is about to die from leaving a core file: 1 byte is too little for a file, and to a
/// program behind core_pattern it means "none" (core(5)).
pub fn no_core_dump() {
    if let Ok(limit) = limit(RLIMIT_CORE) {
        let limit = Limit { soft: limit.hard.min(1), ..limit };
        // SAFETY: the pointer is that of a live limit. A failure costs a core file, no fact.
        unsafe { setrlimit(RLIMIT_CORE, &raw const limit) };
    }
}

/// The file mode creation mask; it can only be read by setting it.
pub fn creation_mask() -> io::Result<u32> {
    // SAFETY: takes a plain number; no other thread sees the moment until it is put back.
    let mask = unsafe { umask(0o77) };
    if mask > 0o777 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes a plain number.
    unsafe { umask(mask) };
    Ok(mask)
}

pub fn persona() -> io::Result<i32> {
    // SAFETY: takes a plain number; this one only asks.
    check(unsafe { personality(0xffff_ffff) })
}

/// The serial number of the session keyring; the user's own one stands in for a session that has none.
pub fn session_keyring() -> io::Result<i64> {
    const GET_KEYRING_ID: usize = 0;
    const SESSION_KEYRING: i64 = -3;
    call("keyctl", [GET_KEYRING_ID, SESSION_KEYRING as usize, 0, 0, 0, 0])
}

pub fn join_session_keyring(name: &str) -> io::Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    let name = CString::new(name).map_err(|_| io::Error::from_raw_os_error(EINVAL))?;
    call("keyctl", [JOIN_SESSION_KEYRING, name.as_ptr().addr(), 0, 0, 0, 0]).map(drop)
}

/// The working directory, as the kernel has it.
pub fn working_directory() -> io::Result<Vec<u8>> {
    let mut path = vec![0; 4096];
    let length = call("getcwd", [path.as_mut_ptr().addr(), path.len(), 0, 0, 0, 0])?;
    path.truncate((length as usize).saturating_sub(1));
    Ok(path)
}

/// Host name and domain name.
pub fn host_names() -> io::Result<[Vec<u8>; 2]> {
    names([1, 5])
}

/// The type of the machine.
pub fn machine() -> io::Result<Vec<u8>> {
    names([4]).map(|[machine]| machine)
}

/// Some fields of uname(2).
fn names<const N: usize>(wanted: [usize; N]) -> io::Result<[Vec<u8>; N]> {
    let mut names = Names { fields: [[0; 65]; 6] };
    // SAFETY: the pointer is that of a live structure with the kernel's layout.
    check(unsafe { uname(&raw mut names) })?;
    // SAFETY: the kernel closes each field with a zero byte.
    Ok(wanted.map(|field| unsafe { CStr::from_ptr(names.fields[field].as_ptr()) }.to_bytes().to_vec()))
}

// ---- network

/// A network device.
pub struct Device {
    pub name: Vec<u8>,
    pub index: u32,
    pub flags: u32,
    pub hardware: Vec<u8>,
}

/// An address of a network device.
pub struct Address {
    /// The device's index: by its name an address is known only until the device has another.
    pub device: u32,
    pub family: u8,
    pub bytes: Vec<u8>,
    /// How many of its first bits name the network.
    pub prefix: u8,
}

pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;
pub const IFF_UP: u32 = 1;

/// All network devices.
pub fn devices() -> io::Result<Vec<Device>> {
    let mut list = null_mut();
    // SAFETY: the pointer is that of a live pointer.
    check(unsafe { getifaddrs(&raw mut list) })?;
    let mut found = Vec::new();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: an element of the list, which lives until it is freed.
        let element = unsafe { &*next };
        // SAFETY: as above.
        found.extend(unsafe { device(element) });
        next = element.next;
    }
    // SAFETY: the list came from getifaddrs and is not used again.
    unsafe { freeifaddrs(list) };
    Ok(found)
}

/// The device that an element of the list stands for; none if it stands for an address.
///
/// # Safety
/// The element is one of getifaddrs(3)'s list.
unsafe fn device(element: &InterfaceAddress) -> Option<Device> {
    const AF_PACKET: u16 = 17;
    // SAFETY: every address begins with its family.
    if element.address.is_null() || unsafe { element.address.cast::<u16>().read_unaligned() } != AF_PACKET {
        return None;
    }
    // SAFETY: one of this family has 20 bytes (packet(7)).
    let address = unsafe { &*element.address.cast::<[u8; 20]>() };
    // SAFETY: the name is a C string.
    let name = unsafe { CStr::from_ptr(element.name) }.to_bytes().to_vec();
    let index = u32::from_ne_bytes([address[4], address[5], address[6], address[7]]);
    let hardware = address[12..12 + usize::from(address[11]).min(8)].to_vec();
    Some(Device { name, index, flags: element.flags, hardware })
}

/// All addresses of all network devices (rtnetlink(7)); getifaddrs(3) would tell some by a label, which a device keeps
/// when it gets another name.
pub fn addresses() -> io::Result<Vec<Address>> {
    const AF_NETLINK: c_int = 16;
    const SOCK_RAW_CLOEXEC: c_int = 3 | 0o2_000_000;
    const RTM_GETADDR: u16 = 22;
    const REQUEST_DUMP: u16 = 0x301;
    const NLMSG_DONE: u16 = 3;
    // SAFETY: takes plain numbers.
    let socket = check(unsafe { socket(AF_NETLINK, SOCK_RAW_CLOEXEC, 0) })?;
    // SAFETY: it was opened just now and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // The header with its length, and the body: all families, all devices.
    let mut request = [0; 24];
    request[..4].copy_from_slice(&24_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&RTM_GETADDR.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_DUMP.to_ne_bytes());
    if !write_whole(socket.as_raw_fd(), &request) {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut answer = vec![0; 64 * 1024];
    loop {
        let length = read_some(socket.as_raw_fd(), &mut answer)?;
        let mut rest = &answer[..length];
        while let Some((kind, body)) = message(&mut rest) {
            match kind {
                NLMSG_DONE => return Ok(found),
                _ => found.push(address(body).ok_or_else(|| io::Error::from_raw_os_error(EINVAL))?),
            }
        }
        if length == 0 {
            return Err(io::Error::from_raw_os_error(EINVAL));
        }
    }
}

/// Takes the first message: its type and its body.
fn message<'a>(rest: &mut &'a [u8]) -> Option<(u16, &'a [u8])> {
    let length = u32::from_ne_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let kind = u16::from_ne_bytes(rest.get(4..6)?.try_into().ok()?);
    let body = rest.get(16..length)?;
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, body))
}

fn address(body: &[u8]) -> Option<Address> {
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    let device = u32::from_ne_bytes(body.get(4..8)?.try_into().ok()?);
    let (mut rest, mut remote, mut local) = (body.get(8..)?, None, None);
    while let Some(head) = rest.get(..4) {
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]])).max(4);
        let value = rest.get(4..length)?;
        match u16::from_ne_bytes([head[2], head[3]]) {
            IFA_ADDRESS => remote = Some(value),
            IFA_LOCAL => local = Some(value),
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    // Where both are told, one is that of the other end.
    let bytes = local.or(remote)?.to_vec();
    Some(Address { device, family: body[0], bytes, prefix: body[1] })
}

/// The greatest packet that a network device sends, in bytes.
pub fn greatest_packet(device: &[u8]) -> io::Result<i32> {
    const SIOCGIFMTU: c_ulong = 0x8921;
    let value = ask_device(device, SIOCGIFMTU, [0; 24])?;
    Ok(i32::from_ne_bytes([value[0], value[1], value[2], value[3]]))
}

/// Takes a network device down.
pub fn take_down(device: &[u8]) -> io::Result<()> {
    const SIOCGIFFLAGS: c_ulong = 0x8913;
    const SIOCSIFFLAGS: c_ulong = 0x8914;
    let mut value = ask_device(device, SIOCGIFFLAGS, [0; 24])?;
    let flags = u16::from_ne_bytes([value[0], value[1]]) & !(IFF_UP as u16);
    value[..2].copy_from_slice(&flags.to_ne_bytes());
    ask_device(device, SIOCSIFFLAGS, value).map(drop)
}

fn ask_device(device: &[u8], request: c_ulong, value: [u8; 24]) -> io::Result<[u8; 24]> {
    const SOCK_DGRAM_CLOEXEC: c_int = 2 | 0o2_000_000;
    let mut asked = InterfaceRequest { name: [0; 16], value };
    let room = asked.name.get_mut(..device.len()).filter(|room| room.len() < 16);
    room.ok_or_else(|| io::Error::from_raw_os_error(EINVAL))?.copy_from_slice(device);
    // SAFETY: takes plain numbers.
    let socket = check(unsafe { socket(c_int::from(AF_INET), SOCK_DGRAM_CLOEXEC, 0) })?;
    // SAFETY: it was opened just now and belongs to nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: the pointer is that of a live request of the kernel's layout.
    check(unsafe { ioctl(socket.as_raw_fd(), request, &raw mut asked) })?;
    Ok(asked.value)
}

// ---- scheduling

/// What sched_getattr(2) tells (its first version, 48 bytes).
#[repr(C)]
#[derive(Default)]
pub struct Scheduling {
    size: u32,
    pub policy: u32,
    pub flags: u64,
    pub nice: i32,
    pub priority: u32,
    pub runtime: u64,
    pub deadline: u64,
    pub period: u64,
}

pub fn scheduling() -> io::Result<Scheduling> {
    let mut found = Scheduling::default();
    let size = size_of::<Scheduling>();
    call("sched_getattr", [0, (&raw mut found).addr(), size, 0, 0, 0])?;
    Ok(found)
}

/// The processors that this process may use.
pub fn processors() -> io::Result<Vec<u32>> {
    let mut mask = [0_u64; 128];
    let length = call("sched_getaffinity", [0, size_of_val(&mask), mask.as_mut_ptr().addr(), 0, 0, 0])?;
    let bits = (length * 8) as u32;
    Ok((0..bits).filter(|bit| mask[*bit as usize / 64] & (1 << (bit % 64)) != 0).collect())
}

/// ioprio_get(2) of this process.
pub fn io_priority() -> io::Result<i64> {
    const WHO_PROCESS: usize = 1;
    call("ioprio_get", [WHO_PROCESS, 0, 0, 0, 0, 0])
}

// ---- signals

/// The blocked signals, bit n-1 for signal n; not by the C library, which hides two of them.
pub fn blocked_signals() -> io::Result<u64> {
    let mut mask = 0_u64;
    call("rt_sigprocmask", [0, 0, (&raw mut mask).addr(), size_of::<u64>(), 0, 0])?;
    Ok(mask)
}

pub fn block(signal: i32) -> io::Result<i64> {
    const SIG_BLOCK: usize = 0;
    change_mask(SIG_BLOCK, signal)
}

pub fn unblock(signal: i32) -> io::Result<i64> {
    const SIG_UNBLOCK: usize = 1;
    change_mask(SIG_UNBLOCK, signal)
}

fn change_mask(how: usize, signal: i32) -> io::Result<i64> {
    let mask = 1_u64 << (signal - 1);
    call("rt_sigprocmask", [how, (&raw const mask).addr(), 0, size_of::<u64>(), 0, 0])
}

pub fn is_ignored(signal: i32) -> io::Result<bool> {
    // The kernel's sigaction: its first word is the handler, and the whole is no longer than this.
    let mut action = [0_u64; 8];
    call("rt_sigaction", [signal as usize, 0, action.as_mut_ptr().addr(), size_of::<u64>(), 0, 0])?;
    Ok(action[0] == SIG_IGN)
}

pub fn set_handler(number: i32, handler: extern "C" fn(i32)) -> io::Result<()> {
    dispose(number, handler as *const () as usize)
}

pub fn set_default(number: i32) -> io::Result<()> {
    dispose(number, SIG_DFL)
}

pub fn set_ignored(number: i32) -> io::Result<()> {
    dispose(number, SIG_IGN as usize)
}

fn dispose(number: i32, handler: usize) -> io::Result<()> {
    // SAFETY: the handler is SIG_DFL or a function that keeps to what signal-safety(7) allows.
    let before = unsafe { signal(number, handler) };
    if before == usize::MAX { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the last SIGSYS said of itself: its code, and the number of the call; 0 if there was none.
static BAD_CALL: [AtomicI32; 2] = [AtomicI32::new(0), AtomicI32::new(0)];
/// Whether the signal of which a note is taken has come.
static NOTED: AtomicBool = AtomicBool::new(false);

/// Handles SIGSYS and keeps what it says of the call.
pub fn tell_of_bad_call() -> io::Result<()> {
    extern "C" fn keep(_signal: c_int, information: *const c_int, _context: *const c_void) {
        // SAFETY: the kernel hands over a siginfo_t: its code is the third number of 32 bits, the call's number the
        // seventh (sigaction(2)).
        let [code, call] = [2, 6].map(|place| unsafe { *information.add(place) });
        BAD_CALL[0].store(code, Ordering::Relaxed);
        BAD_CALL[1].store(call, Ordering::Relaxed);
    }
    const SIGSYS: i32 = 31;
    const SA_SIGINFO: c_int = 4;
    act_upon(SIGSYS, keep as *const () as usize, SA_SIGINFO)
}

/// Code and number of the last SIGSYS; none if none came.
pub fn told_of_bad_call() -> Option<[i32; 2]> {
    let [code, call] = [0, 1].map(|place: usize| BAD_CALL[place].load(Ordering::Relaxed));
    (code != 0).then_some([code, call])
}

/// Handles a signal by taking a note, and without beginning anew the call that it interrupts.
pub fn take_note_of(signal: i32) -> io::Result<()> {
    extern "C" fn note(_signal: c_int) {
        NOTED.store(true, Ordering::Relaxed);
    }
    act_upon(signal, note as *const () as usize, 0)
}

/// Whether the signal has come.
pub fn noted() -> bool {
    NOTED.load(Ordering::Relaxed)
}

fn act_upon(signal: i32, handler: usize, flags: c_int) -> io::Result<()> {
    let action = Action { handler, mask: [0; 16], flags, restorer: 0 };
    // SAFETY: the structure has the C library's layout, and the handlers above keep to what signal-safety(7) allows.
    check(unsafe { sigaction(signal, &raw const action, null_mut()) }).map(drop)
}

pub fn send(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes plain numbers.
    check(unsafe { kill(pid, signal) }).map(drop)
}

/// Writes where no memory is.
pub fn fault() {
    // SAFETY: there is none: the fault is what is wanted, and nothing runs after it.
    unsafe { without_provenance_mut::<u8>(8).write_volatile(0) }
}

pub fn errno() -> i32 {
    // SAFETY: the C library's own place for this thread.
    unsafe { *__errno_location() }
}

pub fn set_errno(error: i32) {
    // SAFETY: the C library's own place for this thread.
    unsafe { *__errno_location() = error }
}

// ---- children

/// A child that runs `body` and ends with it; its pid.
pub fn child(body: impl FnOnce()) -> io::Result<i32> {
    // SAFETY: this process has one thread, so the child may do whatever its parent may.
    match check(unsafe { fork() })? {
        0 => {
            crate::signals::forget_handlers();
            body();
            exit(0)
        }
        pid => Ok(pid),
    }
}

pub fn sleep_for_ever() -> ! {
    loop {
        // SAFETY: takes nothing; returns after a handled signal.
        unsafe { pause() };
    }
}

/// Replaces this process; returns only the error.
pub fn execute(args: &[&str]) -> io::Error {
    let args: Result<Vec<CString>, _> = args.iter().map(|arg| CString::new(*arg)).collect();
    let Ok(args) = args else { return io::Error::from_raw_os_error(EINVAL) };
    let Some(path) = args.first() else { return io::Error::from_raw_os_error(EINVAL) };
    let pointers: Vec<_> = args.iter().map(|arg| arg.as_ptr()).chain([null()]).collect();
    // SAFETY: path and arguments are live C strings, the array is closed by a null pointer; nobody changes `environ`.
    unsafe { execve(path.as_ptr(), pointers.as_ptr(), environ) };
    io::Error::last_os_error()
}

/// Traces a child that runs `body`: the message of the first event of a filter, if there is one before it ends.
pub fn trace(body: impl FnOnce()) -> io::Result<Option<u64>> {
    const TRACE_ME: usize = 0;
    const GO_ON: usize = 7;
    const SET_OPTIONS: usize = 0x4200;
    const GET_EVENT_MESSAGE: usize = 0x4201;
    const TRACE_FILTER: usize = 0x80;
    const KILL_AT_EXIT: usize = 0x10_0000;
    const SIGTRAP: i32 = 5;
    const SIGSTOP: i32 = 19;
    const EVENT_FILTER: i32 = 7;
    let ptrace = |request, pid: i32, data| call("ptrace", [request, pid as usize, 0, data, 0, 0]);
    let pid = child(|| {
        let stopped = ptrace(TRACE_ME, 0, 0).and_then(|_| pid()).and_then(|own| send(own, SIGSTOP));
        if stopped.is_ok() {
            body();
        }
    })?;
    if status_of(pid)? & 0xff != 0x7f {
        return Err(io::Error::from_raw_os_error(ESRCH));
    }
    ptrace(SET_OPTIONS, pid, TRACE_FILTER | KILL_AT_EXIT)?;
    loop {
        ptrace(GO_ON, pid, 0)?;
        let status = status_of(pid)?;
        if status & 0xff != 0x7f {
            return Ok(None);
        }
        if status >> 8 == SIGTRAP | EVENT_FILTER << 8 {
            let mut message = 0_u64;
            ptrace(GET_EVENT_MESSAGE, pid, (&raw mut message).addr())?;
            return Ok(Some(message));
        }
    }
}

/// The next status of a child, waited for.
fn status_of(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: the pointer is that of a live number.
    check(unsafe { waitpid(pid, &raw mut status, 0) })?;
    Ok(status)
}

/// How a child ended.
pub enum Ended {
    Exit(i32),
    Signal(i32),
}

/// How the child ended, if it did.
pub fn ended(pid: i32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: the pointer is that of a live number.
    if check(unsafe { waitpid(pid, &raw mut status, WNOHANG) })? == 0 {
        return Ok(None);
    }
    Ok(Some(if status & 0x7f == 0 { Ended::Exit(status >> 8 & 0xff) } else { Ended::Signal(status & 0x7f) }))
}

/// Takes the status of every child that ended, so that none stays a zombie.
pub fn reap_any() {
    while matches!(ended(-1), Ok(Some(_))) {}
}

// ---- descriptors and files

/// The two ends of a pipe: to read from, to write to.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    // SAFETY: the array holds two numbers.
    check(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) })?;
    // SAFETY: both were opened just now and belong to nobody else.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// A copy of a descriptor at `least` or above, closed on execve.
pub fn duplicate(descriptor: i32, least: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    let copy = check(unsafe { fcntl(descriptor, F_DUPFD_CLOEXEC, least) })?;
    // SAFETY: it was opened just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Whether it closes on execve; EBADF if it is not open.
pub fn closes_on_exec(descriptor: i32) -> io::Result<bool> {
    // SAFETY: takes plain numbers.
    check(unsafe { fcntl(descriptor, F_GETFD) }).map(|flags| flags & 1 != 0)
}

/// A number below `ceiling` that no open descriptor reaches, if the kernel lets one be found: select(2) ignores what
/// lies beyond the process's table of descriptors, and gives EBADF for what is closed within it.
pub fn descriptors_end(ceiling: i32) -> Option<i32> {
    let mut powers = (6..).map(|power| 1 << power).take_while(|number| *number < ceiling);
    powers.find(|number| is_passed_over(*number))
}

/// Whether select(2) has no word about a descriptor that is closed.
fn is_passed_over(descriptor: i32) -> bool {
    let (word, bit) = (descriptor as usize / 64, descriptor % 64);
    let mut set = vec![0_u64; word + 1];
    set[word] = 1 << bit;
    let mut at_once = [0; 2];
    // SAFETY: the set has a bit for each number up to the descriptor's, and the two other sets may be missing.
    let answer = unsafe { select(descriptor + 1, set.as_mut_ptr(), null_mut(), null_mut(), &raw mut at_once) };
    answer >= 0 && closes_on_exec(descriptor).is_err_and(|error| error.raw_os_error() == Some(EBADF))
}

/// The flags of an open descriptor.
pub fn status_flags(descriptor: i32) -> io::Result<i32> {
    // SAFETY: takes plain numbers.
    check(unsafe { fcntl(descriptor, F_GETFL) })
}

pub fn is_terminal(descriptor: i32) -> io::Result<bool> {
    // SAFETY: takes a plain number.
    let is = unsafe { isatty(descriptor) == 1 };
    let error = io::Error::last_os_error();
    if is || [ENOTTY, EINVAL, EBADF].map(Some).contains(&error.raw_os_error()) { Ok(is) } else { Err(error) }
}

/// Rows and columns of a terminal.
pub fn window_size(descriptor: i32) -> io::Result<[u16; 2]> {
    let mut size = [0_u16; 4];
    // SAFETY: the kernel writes four 16-bit numbers.
    check(unsafe { ioctl(descriptor, TIOCGWINSZ, size.as_mut_ptr()) })?;
    Ok([size[0], size[1]])
}

/// Waits until there is something to read; -1 as descriptor only lets the time pass.
pub fn wait_readable(descriptor: i32, milliseconds: i32) -> bool {
    let mut one = PollFd { descriptor, events: POLLIN, returned: 0 };
    // SAFETY: the pointer is that of one live element.
    unsafe { poll(&raw mut one, 1, milliseconds) > 0 }
}

/// Reads once, whatever is there.
pub fn read_some(descriptor: i32, bytes: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the buffer is as long as it is said to be.
    length(unsafe { read(descriptor, bytes.as_mut_ptr().cast(), bytes.len()) })
}

/// Reads once from a place in a file.
pub fn read_at(descriptor: i32, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    // SAFETY: the buffer is as long as it is said to be.
    length(unsafe { pread(descriptor, bytes.as_mut_ptr().cast(), bytes.len(), offset as i64) })
}

/// Writes by one call, again only after a signal; whether all went out. Async-signal-safe.
pub fn write_whole(descriptor: i32, bytes: &[u8]) -> bool {
    loop {
        // SAFETY: the buffer is as long as it is said to be.
        let written = unsafe { write(descriptor, bytes.as_ptr().cast(), bytes.len()) };
        if written >= 0 || errno() != EINTR {
            return usize::try_from(written) == Ok(bytes.len());
        }
    }
}

/// An inotify instance that tells of writes to a file.
pub fn watch(path: &str) -> io::Result<OwnedFd> {
    let path = CString::new(path)?;
    // SAFETY: takes a plain number.
    let descriptor = check(unsafe { inotify_init1(O_CLOEXEC | O_NONBLOCK) })?;
    // SAFETY: it was opened just now and belongs to nobody else.
    let watch = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // SAFETY: the path is a live C string.
    check(unsafe { inotify_add_watch(watch.as_raw_fd(), path.as_ptr(), IN_MODIFY) })?;
    Ok(watch)
}

pub fn file_system(path: &str) -> io::Result<FileSystem> {
    let path = CString::new(path)?;
    let mut facts = FileSystem::default();
    // SAFETY: the path is a live C string, the structure has the kernel's layout.
    check(unsafe { statfs(path.as_ptr(), &raw mut facts) })?;
    Ok(facts)
}

pub fn attribute(path: &str, name: &str) -> io::Result<Vec<u8>> {
    let (path, name) = (CString::new(path)?, CString::new(name)?);
    let mut value = vec![0; 64 * 1024];
    // SAFETY: path and name are live C strings, the buffer is as long as it is said to be.
    let size = length(unsafe { getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) })?;
    value.truncate(size);
    Ok(value)
}

/// Mounts what is at one path on another.
pub fn bind(source: &str, target: &str) -> io::Result<()> {
    const MS_BIND: c_ulong = 4096;
    let (source, target) = (CString::new(source)?, CString::new(target)?);
    // SAFETY: the paths are live C strings; the kernel reads neither type nor data.
    check(unsafe { mount(source.as_ptr(), target.as_ptr(), null(), MS_BIND, null()) }).map(drop)
}

/// Makes a node; `mode` holds its type and its permission bits.
pub fn make_node(path: &str, mode: u32, major: u32, minor: u32) -> io::Result<()> {
    let path = CString::new(path)?;
    let (major, minor) = (u64::from(major), u64::from(minor));
    let device = minor & 0xff | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32;
    // SAFETY: the path is a live C string.
    check(unsafe { mknod(path.as_ptr(), mode, device) }).map(drop)
}

/// The major and minor number in a `dev_t`.
pub fn device_numbers(device: u64) -> [u64; 2] {
    [(device >> 8) & 0xfff | (device >> 32) & !0xfff, device & 0xff | (device >> 12) & 0xffff_ff00]
}

/// Touches memory page by page.
pub fn touch(mebibytes: u32) -> io::Result<()> {
    const READ_WRITE: i32 = 3;
    const PRIVATE_ANONYMOUS: i32 = 0x22;
    let length = mebibytes as usize * 1024 * 1024;
    // SAFETY: a new mapping at a place of the kernel's choice harms nothing.
    let memory = unsafe { mmap(null_mut(), length, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0) };
    if memory.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    for page in (0..length).step_by(4096) {
        // SAFETY: the offset lies in the mapping, which is writable.
        unsafe { memory.cast::<u8>().add(page).write_volatile(1) };
    }
    Ok(())
}

// ---- memory

/// The mode with its flags, and the nodes of this process's memory policy.
pub fn memory_policy() -> io::Result<(i32, Vec<u32>)> {
    let (mut mode, mut nodes) = (0_i32, [0_u64; 16]);
    let bits = 64 * nodes.len();
    call("get_mempolicy", [(&raw mut mode).addr(), nodes.as_mut_ptr().addr(), bits, 0, 0, 0])?;
    Ok((mode, (0..bits as u32).filter(|bit| nodes[*bit as usize / 64] & (1 << (bit % 64)) != 0).collect()))
}

// ---- any call

/// A call by the convention of x86's 32-bit programs, with its first five arguments.
#[cfg(target_arch = "x86_64")]
pub fn foreign(number: i64, args: [u32; 6]) -> io::Result<i64> {
    let mut returned = number as i32;
    // SAFETY: the call is one of a few that take no address; the register that the compiler keeps for itself is put back.
    unsafe {
        std::arch::asm!(
            "xchg {first:r}, rbx",
            "int 0x80",
            "xchg {first:r}, rbx",
            first = inout(reg) u64::from(args[0]) => _,
            inout("eax") returned,
            in("ecx") args[1],
            in("edx") args[2],
            in("esi") args[3],
            in("edi") args[4],
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    if (-4095..0).contains(&returned) { Err(io::Error::from_raw_os_error(-returned)) } else { Ok(returned.into()) }
}

#[cfg(not(target_arch = "x86_64"))]
pub fn foreign(_number: i64, _args: [u32; 6]) -> io::Result<i64> {
    Err(io::Error::from_raw_os_error(EINVAL))
}

/// A system call by number with six arguments of 64 bits.
///
/// # Safety
/// It does whatever the call does: for a child that ends right after it, or with arguments known to be sound.
pub unsafe fn any(number: i64, args: [u64; 6]) -> io::Result<i64> {
    let [a, b, c, d, e, f] = args;
    // SAFETY: as promised by the caller.
    let returned = unsafe { syscall(number as c_long, a, b, c, d, e, f) };
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// A call of this module that the C library lacks, or bends.
fn call(name: &str, args: [usize; 6]) -> io::Result<i64> {
    let number = calls::number(name).ok_or_else(|| io::Error::from_raw_os_error(EINVAL))?;
    // SAFETY: the callers above hand over numbers and addresses of live buffers of the kernel's layout.
    unsafe { any(number, args.map(|argument| argument as u64)) }
}

fn check(returned: c_int) -> io::Result<c_int> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

fn length(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}
