//! The slot: where the harness writes a copy's program text, in the file itself.

use std::cell::UnsafeCell;

/// Bytes of the whole slot in the file.
const SIZE: usize = 64 * 1024;
/// Bytes of the magic, and of the length behind it.
const HEAD: usize = 16 + 4;

/// What the harness looks for; `conformance/src/witness.rs` has the same bytes, and they must stand in the file once.
const MAGIC: [u8; 16] = *b"\xf5OCF\xc1slot\xfe\x8d\xa7\xc0\xf8\x99\xff";

#[repr(C, align(16))]
struct Slot {
    magic: [u8; 16],
    /// Of the text in bytes, least significant byte first.
    length: [u8; 4],
    text: [u8; SIZE - HEAD],
}

/// In a cell, so that it lies in .data and the compiler takes none of its bytes for known.
#[repr(transparent)]
struct Patched(UnsafeCell<Slot>);

// SAFETY: nothing writes to the slot while the program runs.
unsafe impl Sync for Patched {}

#[used]
static SLOT: Patched = Patched(UnsafeCell::new(Slot { magic: MAGIC, length: [0; 4], text: [0; SIZE - HEAD] }));

/// The program text; none in a copy that was never patched, or whose text is no UTF-8.
pub fn text() -> Option<String> {
    let slot = SLOT.0.get();
    // SAFETY: the pointer is that of a static, aligned and initialised; nothing writes at the same time.
    let length = u32::from_le_bytes(unsafe { (&raw const (*slot).length).read_volatile() }) as usize;
    if length == 0 || length > SIZE - HEAD {
        return None;
    }
    // SAFETY: as above.
    let text: *const u8 = (unsafe { &raw const (*slot).text }).cast();
    // SAFETY: as above, and `length` bytes lie in the slot. Byte by byte: a volatile read of the whole array
    // is compiled to as many moves.
    let bytes = (0..length).map(|index| unsafe { text.add(index).read_volatile() });
    String::from_utf8(bytes.collect()).ok()
}
