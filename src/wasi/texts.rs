//! What takes texts of a component's: one that is longer than any that is taken is not copied, and for
//! the others there is memory. Wasmtime's own would be copied whole, and end the process where there is
//! none for it.

use wasmtime::component::__internal::LiftContext;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, ErrorCode, Host as _, HostDescriptor as _, MetadataHashValue, NewTimestamp,
    OpenFlags, PathFlags,
};

use super::bytes::FILES;
use super::files;
use crate::contract::host::Host;
use crate::general::views::{Encoded, stands_for};

/// A `string` of at most `MOST` bytes; none where it is longer.
pub struct Short<const MOST: usize>(pub Option<String>);

impl<const MOST: usize> Short<MOST> {
    fn lift(cx: &LiftContext<'_>, at: (usize, usize)) -> Result<Self> {
        let encoded = Encoded::new(cx, at)?;
        if encoded.least() > MOST {
            return Ok(Self(None));
        }
        let len = encoded.len()?;
        if len > MOST {
            return Ok(Self(None));
        }
        let mut text = String::new();
        encoded.append_to(&mut text, len)?;
        Ok(Self(Some(text)))
    }
}

stands_for!([<const MOST: usize>] Short<MOST>, String, |cx: &mut LiftContext<'_>, _, at| Self::lift(cx, at));

/// No system knows a longer path, whose end is marked by one byte more.
type Path = Short<{ libc::PATH_MAX as usize - 1 }>;
type Fd = Resource<Descriptor>;

/// What a function is given for an argument.
trait Given {
    type As;
    fn given(self) -> FsResult<Self::As>;
}

impl Given for Path {
    type As = String;

    fn given(self) -> FsResult<String> {
        self.0.ok_or_else(|| ErrorCode::NameTooLong.into())
    }
}

macro_rules! as_they_are {
    ($($type:ty),*) => {$(
        impl Given for $type {
            type As = Self;

            fn given(self) -> FsResult<Self> {
                Ok(self)
            }
        }
    )*};
}

as_they_are!(Fd, DescriptorFlags, NewTimestamp, OpenFlags, PathFlags);

/// Puts the functions in place of `wasmtime-wasi`'s.
pub fn add(linker: &mut Linker<Host>) -> Result<()> {
    let mut files = linker.instance(FILES)?;
    macro_rules! of_descriptors {
        ($($wit:literal: fn $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {$(
            files.func_wrap_async(
                concat!("[method]descriptor.", $wit),
                |mut cx: StoreContextMut<'_, Host>, (fd, $($arg),*): (Fd, $($type),*)| {
                    Box::new(async move {
                        let mut files = files::view(cx.data_mut());
                        let result = async { files.$name(fd, $($arg.given()?),*).await }.await;
                        let result: std::result::Result<$result, ErrorCode> = match result {
                            Ok(result) => Ok(result),
                            Err(error) => Err(files.convert_error_code(error)?),
                        };
                        Ok((result,))
                    })
                },
            )?;
        )*};
    }
    of_descriptors! {
        "create-directory-at": fn create_directory_at(path: Path) -> ();
        "stat-at": fn stat_at(flags: PathFlags, path: Path) -> DescriptorStat;
        "set-times-at": fn set_times_at(
            flags: PathFlags, path: Path, access: NewTimestamp, modification: NewTimestamp
        ) -> ();
        "link-at": fn link_at(flags: PathFlags, path: Path, new: Fd, new_path: Path) -> ();
        "open-at": fn open_at(flags: PathFlags, path: Path, open: OpenFlags, descriptor: DescriptorFlags) -> Fd;
        "readlink-at": fn readlink_at(path: Path) -> String;
        "remove-directory-at": fn remove_directory_at(path: Path) -> ();
        "rename-at": fn rename_at(path: Path, new: Fd, new_path: Path) -> ();
        "symlink-at": fn symlink_at(old_path: Path, path: Path) -> ();
        "unlink-file-at": fn unlink_file_at(path: Path) -> ();
        "metadata-hash-at": fn metadata_hash_at(flags: PathFlags, path: Path) -> MetadataHashValue;
    }
    Ok(())
}
