//! Bytes that are not what they should be, for tests of what reads them. The tests within the crates
//! compile this file too.

use proptest::prelude::*;

/// What may stand in the place of a length, in the encodings that there are: the greatest, a negative
/// one, null, some hundreds or thousands, none.
const LENGTHS: [&[u8]; 12] = [
    &[0x7f, 0xff, 0xff, 0xff],
    &[0x7f, 0xff],
    &[0xfe, 0xff, 0xff, 0xff, 0x0f],
    &[0xff, 0xff, 0xff, 0xff, 0x0f],
    &[0x80, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0, 0, 1, 0],
    &[0, 0, 4, 0],
    &[0x80, 0x02],
    &[0x80, 0x08],
    &[0, 0, 0, 0],
    &[0],
];

/// What happens to bytes. A place beyond their end counts round.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Overwrite(usize, &'static [u8]),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        // With the one behind the last byte.
        let places = bytes.len() + 1;
        match self {
            Self::Flip(at, bit) => {
                if let Some(byte) = bytes.get_mut(at % places) {
                    *byte ^= 1_u8 << (bit % 8);
                }
            }
            Self::Cut(at) => bytes.truncate(at % places),
            Self::Insert(at, more) => {
                let behind = bytes.split_off(at % places);
                bytes.extend_from_slice(more);
                bytes.extend_from_slice(&behind);
            }
            Self::Overwrite(at, length) => {
                let from_there = bytes.iter_mut().skip(at % places);
                from_there.zip(length.iter()).for_each(|(byte, new)| *byte = *new);
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let flip = (any::<usize>(), any::<u8>()).prop_map(|(at, bit)| Damage::Flip(at, bit));
    let cut = any::<usize>().prop_map(Damage::Cut);
    let more = prop::collection::vec(any::<u8>(), 1..9);
    let insert = (any::<usize>(), more).prop_map(|(at, more)| Damage::Insert(at, more));
    let length = prop::sample::select(LENGTHS.to_vec());
    let overwrite = (any::<usize>(), length).prop_map(|(at, length)| Damage::Overwrite(at, length));
    prop_oneof![2 => flip, 1 => cut, 1 => insert, 3 => overwrite]
}

/// One of these encodings, damaged at one place or a few; or bytes that never were one, among them
/// small numbers alone, which are likelier to be taken for lengths.
pub(crate) fn rubbish(encodings: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let damages = prop::collection::vec(damage(), 1..4);
    let damaged = (prop::sample::select(encodings), damages).prop_map(|(mut bytes, damages)| {
        damages.iter().for_each(|one| one.apply(&mut bytes));
        bytes
    });
    let any_bytes = prop::collection::vec(any::<u8>(), 0..200);
    let small_numbers = prop::collection::vec(0_u8..6, 0..200);
    prop_oneof![6 => damaged, 1 => any_bytes, 1 => small_numbers]
}
