//! Checksums: the MD5 that becomes the entity tag, and the one that the client chose.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256},
};
use serde::{Deserialize, Serialize};

/// A checksum that a client may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    /// CRC-32: what the SDKs add by default.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// The name in headers such as `x-amz-checksum-algorithm`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries the sum.
    pub(crate) const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
    }

    /// Whether sums over parts can stand for a sum over all bytes (`FULL_OBJECT`), as only the CRCs can.
    pub(crate) const fn is_crc(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64nvme)
    }
}

/// The checksums of an object or a part, in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sums {
    /// The chosen algorithm's sum; `<sum of sums>-<parts>` for an object in parts unless over all bytes.
    pub chosen: Option<(Algorithm, String)>,
}

impl Sums {
    /// The sum under one algorithm.
    pub(crate) fn get(&self, algorithm: Algorithm) -> Option<String> {
        self.chosen.as_ref().filter(|(own, _)| *own == algorithm).map(|(_, sum)| sum.clone())
    }

    /// `COMPOSITE` or `FULL_OBJECT`, when there is a sum at all.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        let (_, sum) = self.chosen.as_ref()?;
        Some(if sum.contains('-') { "COMPOSITE" } else { "FULL_OBJECT" })
    }
}

/// Takes bytes in and says their MD5 and the chosen checksum.
pub(crate) struct Summer {
    md5: Md5,
    chosen: Option<Algorithm>,
    hasher: ChecksumHasher,
}

impl Summer {
    /// With the algorithm that the client chose, if it chose one.
    pub(crate) fn new(chosen: Option<Algorithm>) -> Self {
        let mut hasher = ChecksumHasher::default();
        match chosen {
            Some(Algorithm::Crc32) => hasher.crc32 = Some(Crc32::new()),
            Some(Algorithm::Crc32c) => hasher.crc32c = Some(Crc32c::new()),
            Some(Algorithm::Crc64nvme) => hasher.crc64nvme = Some(Crc64Nvme::new()),
            Some(Algorithm::Sha1) => hasher.sha1 = Some(Sha1::new()),
            Some(Algorithm::Sha256) => hasher.sha256 = Some(Sha256::new()),
            None => {}
        }
        Self { md5: Md5::new(), chosen, hasher }
    }

    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.hasher.update(bytes);
    }

    /// The MD5 and the checksum over everything taken.
    pub(crate) fn finish(self) -> ([u8; 16], Sums) {
        let sums = self.hasher.finalize();
        let sum = match self.chosen {
            Some(Algorithm::Crc32) => sums.checksum_crc32,
            Some(Algorithm::Crc32c) => sums.checksum_crc32c,
            Some(Algorithm::Crc64nvme) => sums.checksum_crc64nvme,
            Some(Algorithm::Sha1) => sums.checksum_sha1,
            Some(Algorithm::Sha256) => sums.checksum_sha256,
            None => None,
        };
        (self.md5.finalize(), Sums { chosen: self.chosen.zip(sum) })
    }
}

/// The entity tag of an object in parts: the MD5 of the parts' MD5s, then their number.
///
/// None when a part's own tag is not an MD5.
pub(crate) fn etag_of_parts<'a>(etags: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut md5 = Md5::new();
    let mut count = 0_usize;
    for etag in etags {
        md5.update(&hex::decode(etag).ok()?);
        count += 1;
    }
    Some(format!("{}-{count}", hex::encode(md5.finalize())))
}

/// The `COMPOSITE` checksum of an object in parts: the sum of the parts' sums, then their number.
///
/// None when a part has no sum under that algorithm.
pub(crate) fn sum_of_parts<'a>(algorithm: Algorithm, parts: impl Iterator<Item = &'a Sums>) -> Option<Sums> {
    let mut summer = Summer::new(Some(algorithm));
    let mut count = 0_usize;
    for part in parts {
        summer.update(&BASE64_STANDARD.decode(part.get(algorithm)?).ok()?);
        count += 1;
    }
    let (_, sums) = summer.finish();
    let sum = sums.get(algorithm)?;
    Some(Sums { chosen: Some((algorithm, format!("{sum}-{count}"))) })
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Summer, Sums, etag_of_parts, sum_of_parts};

    #[test]
    fn known_sums() {
        let known = [
            (Algorithm::Crc32, "DUoRhQ=="),
            (Algorithm::Crc32c, "yZRlqg=="),
            (Algorithm::Sha1, "Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
        ];
        for (algorithm, expected) in known {
            let mut summer = Summer::new(Some(algorithm));
            summer.update(b"hello ");
            summer.update(b"world");
            let (md5, sums) = summer.finish();
            assert_eq!(hex::encode(md5), "5eb63bbbe01eeed093cb22bb8f5acdc3");
            assert_eq!(sums.get(algorithm).as_deref(), Some(expected), "{algorithm:?}");
            assert_eq!(sums.get(Algorithm::Crc64nvme), None);
        }
    }

    #[test]
    fn parts_make_a_tag_with_their_number() {
        // From Amazon's own example: MD5 over the binary MD5s.
        let one = "d41d8cd98f00b204e9800998ecf8427e";
        assert_eq!(etag_of_parts([one].into_iter()).unwrap(), "59adb24ef3cdbe0297f05b395827453f-1");
        assert_eq!(etag_of_parts(["not an md5"].into_iter()), None);
        let part = Sums { chosen: Some((Algorithm::Crc32, "DUoRhQ==".into())) };
        let sums = sum_of_parts(Algorithm::Crc32, [&part, &part].into_iter()).unwrap();
        assert!(sums.get(Algorithm::Crc32).unwrap().ends_with("-2"));
        assert_eq!(sums.kind(), Some("COMPOSITE"));
        assert_eq!(sum_of_parts(Algorithm::Sha1, [&part].into_iter()), None);
    }
}
