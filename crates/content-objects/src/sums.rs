//! The algorithms of the checksums that stores keep.

use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// An algorithm, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Crc64Nvme,
    Crc32c,
    Crc32,
    Sha256,
    Sha1,
    Sha512,
    Md5,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Crc64Nvme => "CRC64NVME",
            Self::Crc32c => "CRC32C",
            Self::Crc32 => "CRC32",
            Self::Sha256 => "SHA-256",
            Self::Sha1 => "SHA-1",
            Self::Sha512 => "SHA-512",
            Self::Md5 => "MD5",
        }
    }

    /// How many bytes a checksum has.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Crc64Nvme => 8,
            Self::Crc32c | Self::Crc32 => 4,
            Self::Sha256 => 32,
            Self::Sha1 => 20,
            Self::Sha512 => 64,
            Self::Md5 => 16,
        }
    }
}

/// A checksum that is being calculated.
pub(crate) enum Sum {
    Crc(Kind, crc_fast::Digest),
    Sha256(Sha256),
    Sha1(Sha1),
    Sha512(Sha512),
    Md5(Md5),
}

impl Sum {
    pub(crate) fn new(kind: Kind) -> Self {
        let crc = |algorithm| Self::Crc(kind, crc_fast::Digest::new(algorithm));
        match kind {
            Kind::Crc64Nvme => crc(CrcAlgorithm::Crc64Nvme),
            Kind::Crc32c => crc(CrcAlgorithm::Crc32Iscsi),
            Kind::Crc32 => crc(CrcAlgorithm::Crc32IsoHdlc),
            Kind::Sha256 => Self::Sha256(Sha256::new()),
            Kind::Sha1 => Self::Sha1(Sha1::new()),
            Kind::Sha512 => Self::Sha512(Sha512::new()),
            Kind::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
            Self::Sha1(sum) => sum.update(bytes),
            Self::Sha512(sum) => sum.update(bytes),
            Self::Md5(sum) => sum.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc(kind, sum) => {
                let bytes = sum.finalize().to_be_bytes();
                bytes.into_iter().skip(bytes.len().saturating_sub(kind.length())).collect()
            }
            Self::Sha256(sum) => sum.finalize().to_vec(),
            Self::Sha1(sum) => sum.finalize().to_vec(),
            Self::Sha512(sum) => sum.finalize().to_vec(),
            Self::Md5(sum) => sum.finalize().to_vec(),
        }
    }
}
