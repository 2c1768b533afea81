//! Differences between two versions of an object (gitformat-pack(5), "Deltified representation"): copies from the old
//! one and inserted bytes.

/// Length of the blocks of the old version that are searched in the new one.
const BLOCK: usize = 16;
/// The most bytes of one copy.
const COPY_MAX: usize = 0x1_0000;
/// The most bytes of one insertion.
const INSERT_MAX: usize = 127;

/// Returns the difference from `old` to `new`; `None` unless it is at most half as long as `new`.
pub(super) fn between(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    // Offsets have 32 bits.
    u32::try_from(old.len()).ok()?;
    let prefix = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let rest = old.len().min(new.len()) - prefix;
    let suffix = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
    let mut delta = Delta { new, bytes: Vec::new(), limit: new.len() / 2 };
    delta.size(old.len());
    delta.size(new.len());
    delta.copy(0, prefix);
    delta.middle(old, prefix..old.len() - suffix, prefix..new.len() - suffix)?;
    delta.copy(old.len() - suffix, suffix);
    (delta.bytes.len() <= delta.limit).then_some(delta.bytes)
}

struct Delta<'n> {
    new: &'n [u8],
    bytes: Vec<u8>,
    limit: usize,
}

impl Delta<'_> {
    /// Describes a part of the new version by a part of the old one.
    fn middle(&mut self, old: &[u8], old_part: std::ops::Range<usize>, new_part: std::ops::Range<usize>) -> Option<()> {
        let index = BlockIndex::of(old, old_part.clone());
        let (mut at, mut pending) = (new_part.start, new_part.start);
        // The distance between equal text in both versions, as of the last copy.
        let mut shift = old_part.start.wrapping_sub(new_part.start);
        while at + BLOCK <= new_part.end {
            let block = &self.new[at..at + BLOCK];
            let is_same = |from: &usize| {
                *from >= old_part.start && *from + BLOCK <= old_part.end && &old[*from..*from + BLOCK] == block
            };
            let known = Some(at.wrapping_add(shift)).filter(|from| *from < old_part.end && is_same(from));
            let Some(from) = known.or_else(|| index.find(block).filter(is_same)) else {
                at += 1;
                continue;
            };
            let back = old[old_part.start..from].iter().rev().zip(self.new[pending..at].iter().rev());
            let back = back.take_while(|(a, b)| a == b).count();
            let ahead = old[from..old_part.end].iter().zip(&self.new[at..new_part.end]);
            let ahead = ahead.take_while(|(a, b)| a == b).count();
            self.insert(pending..at - back);
            self.copy(from - back, back + ahead);
            if self.bytes.len() > self.limit {
                return None;
            }
            shift = from.wrapping_sub(at);
            at += ahead;
            pending = at;
        }
        self.insert(pending..new_part.end);
        Some(())
    }

    /// Writes a size, seven bits in each byte.
    fn size(&mut self, mut size: usize) {
        while size > 0x7f {
            self.bytes.push((size & 0x7f) as u8 | 0x80);
            size >>= 7;
        }
        self.bytes.push(size as u8);
    }

    fn insert(&mut self, part: std::ops::Range<usize>) {
        for chunk in self.new[part].chunks(INSERT_MAX) {
            self.bytes.push(chunk.len() as u8);
            self.bytes.extend_from_slice(chunk);
        }
    }

    /// Writes copies of `length` bytes at `from`: the bytes of offset and length that are not zero.
    fn copy(&mut self, mut from: usize, mut length: usize) {
        while length > 0 {
            let size = length.min(COPY_MAX);
            let mut operation = 0x80;
            let at = self.bytes.len();
            self.bytes.push(operation);
            // A length of 0 means the longest copy.
            let fields = (from as u64 & 0xffff_ffff) | ((size & 0xffff) as u64) << 32;
            for (bit, byte) in fields.to_le_bytes().into_iter().take(6).enumerate() {
                if byte != 0 {
                    operation |= 1 << bit;
                    self.bytes.push(byte);
                }
            }
            self.bytes[at] = operation;
            from += size;
            length -= size;
        }
    }
}

/// The positions of the blocks of the old version, by a hash of their bytes.
struct BlockIndex {
    /// Offset and one; zero if there is none.
    slots: Vec<u32>,
}

impl BlockIndex {
    fn of(old: &[u8], part: std::ops::Range<usize>) -> Self {
        let blocks = part.len() / BLOCK;
        let mut index = Self { slots: vec![0; (2 * blocks).next_power_of_two()] };
        for block in 0..blocks {
            let at = part.start + block * BLOCK;
            let slot = index.slot(&old[at..at + BLOCK]);
            if index.slots[slot] == 0 {
                index.slots[slot] = at as u32 + 1;
            }
        }
        index
    }

    fn find(&self, block: &[u8]) -> Option<usize> {
        (self.slots[self.slot(block)] as usize).checked_sub(1)
    }

    fn slot(&self, block: &[u8]) -> usize {
        let (a, b) = block.split_at(BLOCK / 2);
        let word = |bytes: &[u8]| bytes.iter().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let hash = (word(a) ^ word(b).rotate_left(23)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Applies a difference, by the specification.
    fn apply(old: &[u8], delta: &[u8]) -> Vec<u8> {
        let mut bytes = delta.iter().copied();
        let mut size = || {
            let (mut size, mut shift) = (0_usize, 0);
            loop {
                let byte = bytes.next().unwrap();
                size |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    return size;
                }
            }
        };
        assert_eq!(size(), old.len());
        let expected = size();
        let mut new = Vec::new();
        while let Some(operation) = bytes.next() {
            if operation < 0x80 {
                assert_ne!(operation, 0);
                new.extend(bytes.by_ref().take(operation.into()));
                continue;
            }
            let mut fields = [0_usize; 7];
            for (bit, field) in fields.iter_mut().enumerate() {
                if operation & 1 << bit != 0 {
                    *field = bytes.next().unwrap().into();
                }
            }
            let [a, b, c, d, e, f, g] = fields;
            let from = a | b << 8 | c << 16 | d << 24;
            let length = Some(e | f << 8 | g << 16).filter(|length| *length > 0).unwrap_or(0x1_0000);
            new.extend_from_slice(&old[from..from + length]);
        }
        assert_eq!(new.len(), expected);
        new
    }

    /// Checks that the difference is right and at most `max` bytes long.
    #[track_caller]
    fn check(old: &[u8], new: &[u8], max: usize) {
        let delta = between(old, new).expect("a difference");
        assert!(delta.len() <= max, "{} bytes", delta.len());
        assert_eq!(apply(old, &delta), new);
    }

    /// A text with the shape of a lock, in which the digests of some pins differ.
    fn lock(pins: u32, changed: impl Fn(u32) -> bool) -> Vec<u8> {
        let digest = |pin: u32| {
            let seed = u64::from(pin) * 2 + u64::from(changed(pin)) + 1;
            format!("{:064x}", u128::from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)) * 0xdead_beef_cafe_f00d)
        };
        let pin = |pin| {
            format!("[[pin]]\nstream = \"s{}\"\ntag = \"t{pin}\"\ndigest = \"sha256:{}\"\n\n", pin / 50, digest(pin))
        };
        (0..pins).map(pin).collect::<String>().into_bytes()
    }

    #[test]
    fn a_difference_is_as_long_as_the_change() {
        let old = lock(2000, |_| false);
        check(&old, &lock(2000, |pin| pin == 700), 120);
        check(&old, &lock(2000, |pin| pin % 500 == 3), 500);
        check(&old, &lock(1999, |_| false), 64);
        check(&old, &lock(2001, |_| false), 200);
        check(&old, &[&old[..100], &old[5000..]].concat(), 64);
        check(&old, &[&old[90_000..], &old[..90_000]].concat(), 200);
    }

    #[test]
    fn versions_with_nothing_in_common_have_no_difference() {
        assert_eq!(between(b"", b"something"), None);
        assert_eq!(between(&[1; 1000], &(0..=255).cycle().take(1000).collect::<Vec<u8>>()), None);
        assert_eq!(between(b"the old one", b""), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_difference_gives_the_new_version(
            parts in prop::collection::vec(prop::collection::vec(0_u8..4, 0..60), 1..12),
            order in prop::collection::vec(0_usize..12, 0..30),
            inserted in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let old = parts.concat();
            let mut new: Vec<u8> = order.iter().flat_map(|part| parts[part % parts.len()].clone()).collect();
            let at = new.len() / 2;
            new.splice(at..at, inserted);
            if let Some(delta) = between(&old, &new) {
                prop_assert_eq!(apply(&old, &delta), new);
            }
        }
    }
}
