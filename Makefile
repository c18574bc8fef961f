# libtorvyn for C and C++: what a C programmer needs of cargo.
#
#   make                           builds the shared and the static library
#   make FEATURES=wasi             the same without the compiler: loads artifacts alone
#   make size                      builds it and says how large it is without symbols
#   make install PREFIX=/usr/local installs them, the header and torvyn.pc
#   make uninstall PREFIX=/usr/local
#
# CARGO, CARGO_TARGET_DIR, PREFIX, LIBDIR, INCLUDEDIR and DESTDIR have their usual
# meanings. `make && sudo make install` runs no compiler as root.

CARGO ?= cargo
CARGO_TARGET_DIR ?= target
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include

BUILT = $(CARGO_TARGET_DIR)/release
VERSION = $(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q;}' Cargo.toml)
SONAME = libtorvyn.so.$(firstword $(subst ., ,$(VERSION)))
# What the static library needs besides; `cargo rustc ... -- --print native-static-libs` tells.
STATIC_LIBS = -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

# Of Cargo.toml: compiler, wasi; all where FEATURES is not set.
ifneq ($(origin FEATURES),undefined)
FLAGS = --no-default-features --features "$(FEATURES)"
endif

export CARGO_TARGET_DIR
# The examples' flags are not for the few lines of C in Wasmtime, which would be built again.
unexport CFLAGS

# Without the Rust library, which would have cargo leave out link-time optimisation.
library:
	$(CARGO) rustc --release --lib $(FLAGS) --crate-type cdylib --crate-type staticlib

size: library
	strip -o $(BUILT)/libtorvyn.stripped.so $(BUILT)/libtorvyn.so
	@stat -c '%s bytes' $(BUILT)/libtorvyn.stripped.so

$(BUILT)/libtorvyn.so $(BUILT)/libtorvyn.a:
	$(MAKE) library

install: $(BUILT)/libtorvyn.so $(BUILT)/libtorvyn.a
	install -d $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(LIBDIR)/pkgconfig
	install -m 644 include/torvyn.h $(DESTDIR)$(INCLUDEDIR)
	install -m 644 $(BUILT)/libtorvyn.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(BUILT)/libtorvyn.so $(DESTDIR)$(LIBDIR)/libtorvyn.so.$(VERSION)
	ln -sf libtorvyn.so.$(VERSION) $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libtorvyn.so
	sed 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@INCLUDEDIR@|$(INCLUDEDIR)|; s|@VERSION@|$(VERSION)|; s|@STATIC_LIBS@|$(STATIC_LIBS)|' \
	  torvyn.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/torvyn.pc

uninstall:
	rm -f $(DESTDIR)$(INCLUDEDIR)/torvyn.h $(DESTDIR)$(LIBDIR)/libtorvyn.a $(DESTDIR)$(LIBDIR)/libtorvyn.so \
	  $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libtorvyn.so.$(VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/torvyn.pc

.PHONY: library size install uninstall
