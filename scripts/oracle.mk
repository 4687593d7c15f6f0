# SPDX-License-Identifier: MIT
#
# make test-oracle: the user tests on Debian's stock kernel 6.1 and on Octavo, from one initramfs,
# compared. UTEST=mmap,fork restricts it to these suites; ORACLE_ARGS= takes more options.

.PHONY: test-oracle
test-oracle: all initramfs
	$(Q)$(PYTHON) scripts/oracle --elf $(O)/octavo.elf --initrd $(O)/initramfs.cpio \
		--dir $(O)/oracle $(if $(MEM),--mem $(MEM)) $(if $(SMP),--smp $(SMP)) $(if $(UTEST),--utest $(UTEST)) $(ORACLE_ARGS)
ifeq ($(UTEST),)
	$(if $(PROCPS_IMAGE),$(Q)$(PYTHON) scripts/oracle --elf $(O)/octavo.elf \
		--initrd $(PROCPS_IMAGE) --dir $(O)/oracle --utest procps $(ORACLE_ARGS))
endif
