# SPDX-License-Identifier: GPL-2.0
#
#   make                    module for the running kernel, library and command
#   make install            install them (then: modprobe vmdedup)
#   make dkms-source        put the source where dkms finds it
#   make demo               de-duplicate live KVM guests in a virtual KVM host
#   make check              all tests
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
.PHONY: dkms-source dkms-check

all: modules userspace

modules:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

userspace:
	$(MAKE) -C userspace O=$(O)/userspace

modules_install:
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_DIR=updates modules_install
	depmod -a

install: modules_install
	$(MAKE) -C userspace O=$(O)/userspace install
	install -D -m 644 packaging/60-vmdedup.rules \
		$(DESTDIR)/lib/udev/rules.d/60-vmdedup.rules

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

demo: packages-demo
	selftests/demo/demo.sh

check: packages-check
	selftests/check.sh

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

packages-%:
	@$(lab)/packages.sh $*

clean:
	$(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C userspace O=$(O)/userspace clean

distclean:
	rm -rf $(O)

help:
	@sed -n '3,/^$$/s/^# *//p' Makefile
	@echo "make lint               checkpatch, sparse, shellcheck, mandoc"
	@echo "make lab [K=6.12] [CMD=...]  run a command in the lab"
	@echo "make distclean          remove everything built and downloaded"
