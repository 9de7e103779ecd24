//! What an ELF file says of itself.
//!
//! Owns the reading of headers from bytes; knows nothing of packages. Never
//! trusts offsets: a damaged file gives what could be read, or `None`.

use std::collections::BTreeSet;

use object::elf;
use object::endian::Endianness;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{FileKind, StringTable};

/// Facts from the headers of one ELF file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElfFacts {
    /// `e_machine`: 62 x86-64, 183 AArch64 … (`elf.h`, `EM_*`).
    pub machine: u16,
    /// 64-bit file.
    pub is_64: bool,
    /// Little-endian file.
    pub little_endian: bool,
    /// What kind of object it is.
    pub kind: ObjectKind,
    /// Libraries it needs, in order (DT_NEEDED).
    pub needed: Vec<String>,
    /// DT_SONAME.
    pub soname: Option<String>,
    /// Directories of DT_RPATH, in order.
    pub rpath: Vec<String>,
    /// Directories of DT_RUNPATH, in order.
    pub runpath: Vec<String>,
    /// Program interpreter (PT_INTERP): there for programs.
    pub interpreter: Option<String>,
    /// Whether it still has a symbol table (SHT_SYMTAB): `file` says "not stripped".
    pub has_symtab: bool,
    /// Whether it has a dynamic segment.
    pub is_dynamic: bool,
}

/// `e_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectKind {
    /// ET_EXEC: a program at a fixed address.
    Executable,
    /// ET_DYN: a shared object, or a program that is position-independent.
    Shared,
    /// ET_REL: an object for the linker.
    Relocatable,
    /// Core dumps and the rest.
    #[default]
    Other,
}

/// The facts of an ELF file; `None` where `bytes` are none.
pub fn inspect(bytes: &[u8]) -> Option<ElfFacts> {
    match FileKind::parse(bytes).ok()? {
        FileKind::Elf32 => facts::<elf::FileHeader32<Endianness>>(bytes),
        FileKind::Elf64 => facts::<elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

fn facts<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<ElfFacts> {
    let header = Elf::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let mut facts = ElfFacts {
        machine: header.e_machine(endian),
        is_64: header.is_type_64(),
        little_endian: endian == Endianness::Little,
        kind: match header.e_type(endian) {
            elf::ET_EXEC => ObjectKind::Executable,
            elf::ET_DYN => ObjectKind::Shared,
            elf::ET_REL => ObjectKind::Relocatable,
            _ => ObjectKind::Other,
        },
        ..ElfFacts::default()
    };
    let segments = header.program_headers(endian, bytes).unwrap_or(&[]);
    for segment in segments {
        if let Ok(Some(name)) = segment.interpreter(endian, bytes) {
            facts.interpreter = Some(String::from_utf8_lossy(name).into_owned());
        }
        if let Ok(Some(entries)) = segment.dynamic(endian, bytes) {
            facts.is_dynamic = true;
            dynamic::<Elf>(bytes, endian, segments, entries, &mut facts);
        }
    }
    let sections = header.section_headers(endian, bytes).unwrap_or(&[]);
    facts.has_symtab = sections.iter().any(|section| section.sh_type(endian) == elf::SHT_SYMTAB);
    Some(facts)
}

fn dynamic<Elf: FileHeader<Endian = Endianness>>(
    bytes: &[u8],
    endian: Endianness,
    segments: &[Elf::ProgramHeader],
    entries: &[Elf::Dyn],
    facts: &mut ElfFacts,
) {
    let value = |tag: u32| entries.iter().find(|e| e.tag32(endian) == Some(tag)).map(|e| e.d_val(endian).into());
    // patchelf moves the string table; the loader finds it by its address, so that is what counts.
    let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else { return };
    let Some(data) = segments
        .iter()
        .filter(|s| s.p_type(endian) == elf::PT_LOAD)
        .find_map(|s| s.data_range(endian, bytes, address, size).ok()?)
    else {
        return;
    };
    let table: StringTable<'_> = StringTable::new(data, 0, data.len() as u64);
    for entry in entries {
        let tag = entry.tag32(endian);
        if tag == Some(elf::DT_NULL) {
            break;
        }
        if !entry.is_string(endian) {
            continue;
        }
        let Ok(text) = entry.string(endian, table) else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        let directories = || text.split(':').map(str::to_owned).collect();
        match tag {
            Some(elf::DT_NEEDED) => facts.needed.push(text),
            Some(elf::DT_SONAME) => facts.soname = Some(text),
            Some(elf::DT_RPATH) => facts.rpath = directories(),
            Some(elf::DT_RUNPATH) => facts.runpath = directories(),
            _ => {}
        }
    }
}

/// Undefined dynamic symbols, `name@VERSION` or `name@`; `None` where `bytes`
/// are no ELF file, or one whose tables cannot be read.
pub fn undefined(bytes: &[u8]) -> Option<BTreeSet<String>> {
    match FileKind::parse(bytes).ok()? {
        FileKind::Elf32 => undefined_symbols::<elf::FileHeader32<Endianness>>(bytes),
        FileKind::Elf64 => undefined_symbols::<elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

fn undefined_symbols<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<BTreeSet<String>> {
    let header = Elf::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let symbols = sections.symbols(endian, bytes, elf::SHT_DYNSYM).ok()?;
    let versions = sections.versions(endian, bytes).ok()?;
    let mut all = BTreeSet::new();
    for (index, symbol) in symbols.enumerate() {
        if !symbol.is_undefined(endian) || symbol.st_name(endian) == 0 {
            continue;
        }
        let name = symbol.name(endian, symbols.strings()).ok()?;
        let version = match &versions {
            Some(table) => table.version(table.version_index(endian, index)).ok()?.map_or(&b""[..], |v| v.name()),
            None => b"",
        };
        all.insert(format!("{}@{}", String::from_utf8_lossy(name), String::from_utf8_lossy(version)));
    }
    Some(all)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests read the machine's own programs")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn the_test_program_knows_itself() {
        let facts = inspect(&own()).unwrap();
        assert!(facts.is_dynamic && facts.has_symtab && facts.is_64 == cfg!(target_pointer_width = "64"));
        assert_eq!(facts.kind, ObjectKind::Shared);
        assert!(facts.needed.iter().any(|library| library.starts_with("libc.so")), "{facts:?}");
        assert!(facts.interpreter.is_some() && facts.soname.is_none());
    }

    #[test]
    fn the_c_library_has_a_soname_and_is_stripped() {
        let path = ["/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64", "/lib"]
            .iter()
            .map(|directory| format!("{directory}/libm.so.6"))
            .find_map(|path| std::fs::read(path).ok())
            .expect("a libm.so.6");
        let facts = inspect(&path).unwrap();
        assert_eq!(facts.soname.as_deref(), Some("libm.so.6"));
        assert_eq!((facts.kind, facts.has_symtab), (ObjectKind::Shared, false));
    }

    #[test]
    fn undefined_symbols_have_their_versions() {
        let symbols = undefined(&own()).unwrap();
        assert!(symbols.iter().any(|symbol| symbol.starts_with("memcpy@GLIBC_2.")), "{symbols:?}");
    }

    #[test]
    fn other_files_are_none() {
        for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", b"MZ", b"!<arch>\n"] {
            assert_eq!(inspect(bytes), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn damaged_files_never_panic(
            length in 0usize..70_000,
            changes in prop::collection::vec((0usize..2048, any::<u8>()), 0..30)
        ) {
            let mut bytes = own();
            bytes.truncate(length);
            for (at, byte) in changes {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = inspect(&bytes);
            let _ = undefined(&bytes);
        }
    }
}
