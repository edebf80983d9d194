//! With which instructions messages are hashed.

use std::fmt;

/// How messages are hashed: one after another, or in lanes with these instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// One message after another, by `sha2` and `md-5`, which use the processor's own instructions for SHA-256 if it has
    /// them.
    Serial,
    /// In lanes, with the NEON of every 64-bit Arm processor.
    Neon,
    /// In lanes, with AVX2.
    Avx2,
    /// In lanes, with the AVX-512 of Ice Lake, Zen 4 and later.
    Avx512,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 4] = [Self::Serial, Self::Neon, Self::Avx2, Self::Avx512];

    /// The highest level that this machine supports.
    pub fn highest() -> Self {
        Self::supported().last().unwrap_or(Self::Serial)
    }

    /// The levels that this machine supports, in ascending order. [`Level::Serial`] is always among them.
    pub fn supported() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|level| level.is_supported())
    }

    /// Whether this machine supports this level.
    pub fn is_supported(self) -> bool {
        self == Self::Serial || self.instructions().is_some()
    }

    /// The instructions for the lanes, if there are lanes and this machine has the instructions.
    pub(crate) fn instructions(self) -> Option<Instructions> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => fearless_simd::Level::new().as_avx2().map(Instructions::Avx2),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => fearless_simd::Level::new().as_avx512().map(Instructions::Avx512),
            // The blocks are loaded as the little-endian words that they are on all processors of these levels.
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon => fearless_simd::Level::new().as_neon().map(Instructions::Neon),
            _ => None,
        }
    }
}

/// That this machine has the instructions of a level. There are no lanes for
/// SSE2 and SSE4.2, which would have to be compiled for processors that nobody runs this on.
#[derive(Debug, Clone, Copy)]
pub enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx2(fearless_simd::x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(fearless_simd::x86::Avx512),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(fearless_simd::aarch64::Neon),
}

/// Evaluates an expression that is compiled with the instructions of each level, with those of this one.
macro_rules! with_instructions {
    ($instructions:expr, $simd:ident => $work:expr) => {
        match $instructions {
            #[cfg(target_arch = "x86_64")]
            $crate::level::Instructions::Avx2($simd) => fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $work,
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::level::Instructions::Avx512($simd) => fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $work,
            ),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            $crate::level::Instructions::Neon($simd) => fearless_simd::Simd::vectorize(
                $simd,
                #[inline(always)]
                || $work,
            ),
        }
    };
}
pub(crate) use with_instructions;

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Serial => "one after another",
            Self::Neon => "NEON",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// The level that was asked for needs instructions that this machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported(pub Level);

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine has no instructions for the level {}", self.0)
    }
}

impl std::error::Error for Unsupported {}
