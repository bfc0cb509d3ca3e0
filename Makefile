# SPDX-License-Identifier: GPL-2.0
#
#   make                    module for the running kernel, library and command
#   make install            install them (then: modprobe vmdedup)
#   make dkms-source        put the source where dkms finds it
#   make deb                Debian packages, in build/deb/
#   make demo               de-duplicate live KVM guests in a virtual KVM host
#   make check              all tests that decide whether a change is good
#   make check-all          more of them, for hours: on the debug kernels, too
#   make check-debug        nearly all of them on a kernel with KASAN and lockdep
#   make check-kcsan        some of them on one that looks for data races
#   make coverage           which lines of the modules they reach
#   make soak               all at once and at random, for 15 minutes (SOAK_SECONDS)
#   make bench              compare with KSM (BENCH_QUICK=1: a short one)
#   make help               the rest

VERSION := $(shell cat VERSION)
KDIR ?= /lib/modules/$(shell uname -r)/build
O ?= $(CURDIR)/build
# Kernels that the lab boots.
KERNELS ?= 6.1 6.12

lab := selftests/lab
lab_modules := $(addprefix lab-module-,$(KERNELS))

.PHONY: all modules userspace install modules_install clean distclean help
.PHONY: demo check lint lab lab-tools lab-modules $(lab_modules) packages-%
.PHONY: dkms-source dkms-check host_install deb packages-test

all: modules userspace

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

userspace:
	$(MAKE) -C userspace O=$(O)/userspace

modules_install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=updates modules_install
	depmod -a

install: modules_install host_install
	$(MAKE) -C userspace O=$(O)/userspace install

# What makes a host use it: who may open the device, what is loaded and set at
# boot, what is watched. Settings that are there are kept.
UNITDIR ?= /lib/systemd/system
UDEVDIR ?= /lib/udev
host_install:
	install -D -m 644 -t $(DESTDIR)$(UDEVDIR)/rules.d packaging/60-vmdedup.rules
	install -D -m 644 -t $(DESTDIR)$(UNITDIR) packaging/systemd/*
	install -D -m 644 -t $(DESTDIR)/usr/lib/modules-load.d packaging/modules-load.d/*
	install -D -m 644 -t $(DESTDIR)/usr/share/vmdedup/grafana packaging/grafana/*
	[ -e $(DESTDIR)/etc/vmdedup.conf ] || \
		install -D -m 644 -t $(DESTDIR)/etc packaging/vmdedup.conf

# The modules for the lab's kernels are built in copies of the source, so that
# one does not get in the way of the other.
lab-modules: $(lab_modules)

$(lab_modules): lab-module-%: packages-build
	$(lab)/kernel.sh $* > /dev/null
	selftests/build-module.sh $* $(O)/kmod/$*

lab-tools: packages-demo
	$(MAKE) -C $(lab) O=$(O)/lab

# An interactive look around: make lab K=6.12 CMD='...'
K ?= 6.12
CMD ?= /bin/sh -c 'modprobe kvm_amd; insmod $$LAB_MODULES/vmdedup.ko; grep . /sys/class/misc/vmdedup/stats/*'
lab: lab-module-$(K) lab-tools
	$(lab)/lab.sh -k $(K) -d $(O)/kmod/$(K)/kmod -- $(CMD)

# All that runs outside the kernel in make check and make demo.
.PHONY: check-tools guests
guests: packages-demo
	$(lab)/guest/guest-image.sh 6.1
	$(lab)/guest/guest-image.sh 6.12

check-tools: lab-tools guests userspace
	$(MAKE) -C selftests/engine O=$(O)/engine \
		KSELFTEST_INC=$(O)/src/6.12/tools/testing/selftests
	$(MAKE) -C selftests/bench O=$(O)/bench all core

demo: packages-demo
	selftests/demo/demo.sh

check: packages-check
	selftests/check.sh

# All there is.
.PHONY: check-all
check-all: packages-check
	ALL=1 selftests/check.sh
	selftests/check-debug.sh
	selftests/check-kcsan.sh
	selftests/soak.sh

# The engine's tests and those with guests on a kernel with KASAN, lockdep and more.
.PHONY: check-debug
check-debug: packages-check
	selftests/check-debug.sh

# Those in which most happens at once, on a kernel that looks for data races.
.PHONY: check-kcsan
check-kcsan: packages-check
	selftests/check-kcsan.sh

# Which lines of the modules the engine's tests reach; build/coverage.txt.
.PHONY: coverage
coverage: packages-check
	selftests/coverage.sh

# Guests and processes, registrations and tunables that change at random; K is
# the kernel, see selftests/soak.sh for the rest.
.PHONY: soak
soak: packages-check lab-module-$(K)
	selftests/lab/kernel.sh source 6.12 > /dev/null
	$(MAKE) check-tools
	KERNEL=$(K) selftests/soak.sh

# Progress on standard error, the table on standard output; build/bench.json.
.PHONY: bench bench-tools bench-core
bench: packages-demo
	@selftests/bench/bench.sh

bench-tools:
	@$(MAKE) -C selftests/bench O=$(O)/bench

# The pure core, natively on this machine; build/bench-core.json.
bench-core: packages-build
	@$(MAKE) -C selftests/bench O=$(O)/bench core >&2
	@$(O)/bench/core $(O)/bench-core.json

lint: packages-check
	selftests/lint.sh

# What dkms builds from; then: dkms install vmdedup/VERSION
DKMS_SOURCE ?= $(DESTDIR)/usr/src/vmdedup-$(VERSION)
dkms-source:
	install -d $(DKMS_SOURCE)
	find kmod include \( -name '*.[ch]' -o -name Kbuild \) ! -name '*.mod.c' \
		! -name vmdedup_probes.h -print0 | \
		xargs -0 cp --parents -t $(DKMS_SOURCE) \
		dkms.conf Kbuild VERSION COPYING

dkms-check: packages-check
	selftests/dkms.sh

# Debian wants debian/ at the top: there it is, in a copy.
deb := $(O)/deb
deb: packages-deb
	rm -rf $(deb)
	mkdir -p $(deb)/vmdedup-$(VERSION)
	tar -c --exclude-vcs --exclude=./build --exclude='./.*' --exclude='*.ko' \
		--exclude='*.o' --exclude='*.mod' --exclude='*.mod.c' \
		--exclude=modules.order --exclude=Module.symvers \
		--exclude=vmdedup_probes.h . | tar -x -C $(deb)/vmdedup-$(VERSION)
	mv $(deb)/vmdedup-$(VERSION)/packaging/debian $(deb)/vmdedup-$(VERSION)
	cd $(deb)/vmdedup-$(VERSION) && DEB_BUILD_OPTIONS="noautodbgsym $$DEB_BUILD_OPTIONS" \
		dpkg-buildpackage -us -uc > ../build.log 2>&1 || \
		{ tail -n 30 ../build.log >&2; exit 1; }
	rm -rf $(deb)/vmdedup-$(VERSION)
	@ls $(deb)/*.deb

packages-test: packages-check
	selftests/packages.sh

packages-%:
	@$(lab)/packages.sh $*

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C userspace O=$(O)/userspace clean

distclean:
	rm -rf $(O)

help:
	@sed -n '3,/^$$/s/^# *//p' Makefile
	@echo "make bench-core         the core's speed on this machine, outside a kernel"
	@echo "make lint               checkpatch, sparse, shellcheck, mandoc"
	@echo "make lab [K=6.12] [CMD=...]  run a command in the lab"
	@echo "make distclean          remove everything built and downloaded"
