//! What an ELF file says of itself.
//!
//! Owns the reading of headers from bytes, and the writing of a file that says as
//! much; knows nothing of packages. Never trusts offsets: a damaged file gives what
//! could be read, or `None`.

use std::collections::{BTreeMap, BTreeSet};

use object::elf;
use object::endian::Endianness;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{FileKind, StringTable};
use object::write::elf as writer;

/// Facts from the headers of one ELF file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ElfFacts {
    /// `e_machine`: 62 x86-64, 183 AArch64 … (`elf.h`, `EM_*`).
    pub machine: u16,
    /// 64-bit file.
    pub is_64: bool,
    /// Little-endian file.
    pub little_endian: bool,
    /// `e_flags` and `EI_OSABI`, which with the above decide what fits together.
    pub abi: (u32, u8),
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
    /// Whether the names in that segment could not all be read.
    pub is_damaged: bool,
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
        abi: (header.e_flags(endian), header.e_ident().os_abi),
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
    facts.is_damaged = entries.iter().any(|entry| entry.is_string(endian));
    let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else { return };
    let Some(data) = segments
        .iter()
        .filter(|s| s.p_type(endian) == elf::PT_LOAD)
        .find_map(|s| s.data_range(endian, bytes, address, size).ok()?)
    else {
        return;
    };
    facts.is_damaged = false;
    let table: StringTable<'_> = StringTable::new(data, 0, data.len() as u64);
    for entry in entries {
        let tag = entry.tag32(endian);
        if tag == Some(elf::DT_NULL) {
            break;
        }
        if !entry.is_string(endian) {
            continue;
        }
        let Ok(text) = entry.string(endian, table) else {
            facts.is_damaged = true;
            continue;
        };
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

/// A dynamic symbol that a file wants of its libraries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its version, and the library (DT_SONAME) that has to have it.
    pub version: Option<(String, String)>,
}

/// Undefined dynamic symbols; `None` where `bytes` are no ELF file, or one whose
/// tables are not there or cannot be read.
pub fn undefined(bytes: &[u8]) -> Option<BTreeSet<Wanted>> {
    match FileKind::parse(bytes).ok()? {
        FileKind::Elf32 => undefined_symbols::<elf::FileHeader32<Endianness>>(bytes),
        FileKind::Elf64 => undefined_symbols::<elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    }
}

fn undefined_symbols<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<BTreeSet<Wanted>> {
    let header = Elf::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    if !sections.iter().any(|section| section.sh_type(endian) == elf::SHT_DYNSYM) {
        return None;
    }
    let symbols = sections.symbols(endian, bytes, elf::SHT_DYNSYM).ok()?;
    let versions = sections.versions(endian, bytes).ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = BTreeSet::new();
    for (index, symbol) in symbols.enumerate() {
        if !symbol.is_undefined(endian) || symbol.st_name(endian) == 0 {
            continue;
        }
        let name = text(symbol.name(endian, symbols.strings()).ok()?);
        let version = match &versions {
            Some(table) => table.version(table.version_index(endian, index)).ok()?,
            None => None,
        };
        let version = version.map(|version| (text(version.name()), text(version.file().unwrap_or_default())));
        all.insert(Wanted { name, version });
    }
    Some(all)
}

/// A shared object of the same kind as the one with these `facts`, that needs the
/// libraries `needed` in this order, wants `symbols` of them and has nothing else: what a linker
/// would write of an object file that only refers to others.
pub fn demanding(facts: &ElfFacts, needed: &[String], symbols: &BTreeSet<Wanted>) -> Option<Vec<u8>> {
    let endian = if facts.little_endian { Endianness::Little } else { Endianness::Big };
    let mut files: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (version, file) in symbols.iter().filter_map(|symbol| symbol.version.as_ref()) {
        files.entry(file).or_default().insert(version);
    }
    let versions: Vec<(&str, &str)> =
        files.iter().flat_map(|(file, versions)| versions.iter().map(|version| (*file, *version))).collect();
    let has_versions = !versions.is_empty();
    // 0 and 1 mean: local, and without a version.
    let number = |file: &str, version: &str| {
        let place = versions.iter().position(|one| *one == (file, version)).map_or(1, |place| place + 2);
        u16::try_from(place).ok()
    };

    let mut bytes = Vec::new();
    let mut out = writer::Writer::new(endian, facts.is_64, &mut bytes);
    out.reserve_file_header();
    out.reserve_program_headers(2);
    out.reserve_null_section_index();
    let libraries: Vec<_> = needed.iter().map(|name| out.add_dynamic_string(name.as_bytes())).collect();
    let names: Vec<_> = symbols.iter().map(|symbol| out.add_dynamic_string(symbol.name.as_bytes())).collect();
    let texts: BTreeMap<&str, _> = files
        .iter()
        .flat_map(|(file, versions)| versions.iter().chain([file]))
        .map(|text| (*text, out.add_dynamic_string(text.as_bytes())))
        .collect();
    out.reserve_null_dynamic_symbol_index();
    for _ in &names {
        out.reserve_dynamic_symbol_index();
    }
    out.reserve_dynsym_section_index();
    out.reserve_dynstr_section_index();
    if has_versions {
        out.reserve_gnu_versym_section_index();
        out.reserve_gnu_verneed_section_index();
    }
    out.reserve_dynamic_section_index();
    out.reserve_shstrtab_section_index();
    let dynsym = out.reserve_dynsym() as u64;
    let dynstr = out.reserve_dynstr() as u64;
    let dynstr_size = out.reserved_len() as u64 - dynstr;
    let (mut versym, mut verneed) = (0, 0);
    if has_versions {
        versym = out.reserve_gnu_versym() as u64;
        verneed = out.reserve_gnu_verneed(files.len(), versions.len()) as u64;
    }
    let mut dynamics = vec![
        (elf::DT_STRTAB, dynstr),
        (elf::DT_STRSZ, dynstr_size),
        (elf::DT_SYMTAB, dynsym),
        (elf::DT_SYMENT, if facts.is_64 { 24 } else { 16 }),
    ];
    if has_versions {
        let count = files.len() as u64;
        dynamics.extend([(elf::DT_VERSYM, versym), (elf::DT_VERNEED, verneed), (elf::DT_VERNEEDNUM, count)]);
    }
    dynamics.push((elf::DT_NULL, 0));
    let dynamic = out.reserve_dynamic(libraries.len() + dynamics.len()) as u64;
    let end = out.reserved_len() as u64;
    out.reserve_shstrtab();
    out.reserve_section_headers();

    let (e_flags, os_abi) = facts.abi;
    let header = writer::FileHeader {
        os_abi,
        abi_version: 0,
        e_type: elf::ET_DYN,
        e_machine: facts.machine,
        e_entry: 0,
        e_flags,
    };
    out.write_file_header(&header).ok()?;
    out.write_align_program_headers();
    for (p_type, start, p_align) in [(elf::PT_LOAD, 0, 0x1000), (elf::PT_DYNAMIC, dynamic, 8)] {
        out.write_program_header(&writer::ProgramHeader {
            p_type,
            p_flags: elf::PF_R,
            p_offset: start,
            p_vaddr: start,
            p_paddr: start,
            p_filesz: end - start,
            p_memsz: end - start,
            p_align,
        });
    }
    out.write_null_dynamic_symbol();
    for name in &names {
        out.write_dynamic_symbol(&writer::Sym {
            name: Some(*name),
            section: None,
            st_info: (elf::STB_GLOBAL << 4) | elf::STT_FUNC,
            st_other: 0,
            st_shndx: elf::SHN_UNDEF,
            st_value: 0,
            st_size: 0,
        });
    }
    out.write_dynstr();
    if has_versions {
        out.write_null_gnu_versym();
        for symbol in symbols {
            let (version, file) = symbol.version.as_ref().map_or(("", ""), |(version, file)| (version, file));
            out.write_gnu_versym(number(file, version)?);
        }
        out.write_align_gnu_verneed();
        for (file, versions) in &files {
            let aux_count = u16::try_from(versions.len()).ok()?;
            out.write_gnu_verneed(&writer::Verneed {
                version: elf::VER_NEED_CURRENT,
                aux_count,
                file: *texts.get(file)?,
            });
            for version in versions {
                let (index, name) = (number(file, version)?, *texts.get(version)?);
                out.write_gnu_vernaux(&writer::Vernaux { flags: 0, index, name });
            }
        }
    }
    out.write_align_dynamic();
    libraries.iter().for_each(|library| out.write_dynamic_string(elf::DT_NEEDED, *library));
    dynamics.iter().for_each(|(tag, value)| out.write_dynamic(*tag, *value));
    out.write_shstrtab();
    out.write_null_section_header();
    out.write_dynsym_section_header(dynsym, 1);
    out.write_dynstr_section_header(dynstr);
    if has_versions {
        out.write_gnu_versym_section_header(versym);
        out.write_gnu_verneed_section_header(verneed);
    }
    out.write_dynamic_section_header(dynamic);
    out.write_shstrtab_section_header();
    Some(bytes)
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
        let is_memcpy = |symbol: &Wanted| {
            let version = symbol.version.as_ref();
            symbol.name == "memcpy" && version.is_some_and(|(v, file)| v.starts_with("GLIBC_2.") && file == "libc.so.6")
        };
        assert!(symbols.iter().any(is_memcpy), "{symbols:?}");
    }

    #[test]
    fn a_file_that_only_demands_says_so_to_objdump_and_to_us() {
        let (facts, mut symbols) = (inspect(&own()).unwrap(), undefined(&own()).unwrap());
        symbols.insert(Wanted { name: "plain".to_owned(), version: None });
        symbols.insert(Wanted { name: "inflate".to_owned(), version: Some(("Z_1.2".into(), "libz.so.1".into())) });
        let needed: Vec<String> = ["libz.so.1".to_owned()].into_iter().chain(facts.needed.iter().cloned()).collect();
        for is_64 in [true, false] {
            for little_endian in [true, false] {
                let bytes = demanding(&ElfFacts { is_64, little_endian, ..facts.clone() }, &needed, &symbols).unwrap();
                let own = inspect(&bytes).unwrap();
                assert_eq!((own.is_64, own.little_endian, own.machine), (is_64, little_endian, facts.machine));
                assert_eq!((own.abi, own.needed, own.kind), (facts.abi, needed.clone(), ObjectKind::Shared));
                assert_eq!(undefined(&bytes).unwrap(), symbols);
            }
        }
        let none = demanding(&facts, &needed, &BTreeSet::new()).unwrap();
        assert_eq!((inspect(&none).unwrap().needed.len(), undefined(&none).unwrap().len()), (needed.len(), 0));
        let room = tempfile::tempdir().unwrap();
        let file = room.path().join("demanding.so");
        std::fs::write(&file, demanding(&facts, &needed, &symbols).unwrap()).unwrap();
        let shown =
            std::process::Command::new("objdump").args(["-w", "-f", "-p", "-T", "-R"]).arg(&file).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
        for name in &needed {
            assert!(text.contains(&format!("NEEDED               {name}\n")), "{name}:\n{text}");
        }
        for symbol in &symbols {
            let version = symbol.version.as_ref().map(|(version, _)| format!("({version})"));
            let is_it = |line: &str| {
                let mut words = line.rsplit(' ').filter(|word| !word.is_empty());
                let named = line.contains("*UND*") && words.next() == Some(symbol.name.as_str());
                named && version.as_deref().is_none_or(|version| words.next() == Some(version))
            };
            assert!(text.lines().any(is_it), "{symbol:?}:\n{text}");
        }
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
