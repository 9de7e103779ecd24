# The commands. What each does in detail is said at the head of its script.

# cargo of rustup, for shells that do not have it on their path.
export PATH := $(PATH):$(HOME)/.cargo/bin

CARGO_TARGET_DIR ?= target
target := $(abspath $(CARGO_TARGET_DIR))
export CARGO_TARGET_DIR := $(target)
host_suite := $(shell . /etc/os-release && echo $${VERSION_CODENAME-})
suite := $(if $(filter bookworm trixie,$(host_suite)),$(host_suite),trixie)

help: ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 16

check: ## run the whole test suite, on both suites of Debian
	@tools/check

debs: ## the toolkit's packages, in target/debs/
	@tools/prepare debs
	@tools/debs $(suite)
	@rm -f $(target)/debs/*.deb
	@cp $(target)/debs/$(suite)/*.deb $(target)/debs/
	@ls $(target)/debs/*.deb

demo: ## an application from source to an answer over HTTP, in clean chroots
	@tools/demo $(suite)

bench: ## dh_venv and deb-build-app against their peers, in target/bench/
	@tools/prepare bench
	@tools/bench
	@tools/debs bookworm
	@tools/as-root tools/bench-driver

soak: ## tests too long for check: the demo, fuzzing, killed builds and scripts, the toolkit built twice, ZEO's seeders
	@$(MAKE) demo
	@tools/prepare check
	@FUZZ_SEED=$${FUZZ_SEED-$$(date +%Y%m%d)} FUZZ_RUNS=$${FUZZ_RUNS-300} FUZZ_SECONDS=$${FUZZ_SECONDS-120} \
	    cargo test --locked --release --test fuzz -- --nocapture --test-threads=2
	@tools/debs $(suite)
	@tools/as-root env CARGO_HOME=$(target)/cargo-home BUILD_TOOLKIT_DIRECTORY=another/and/longer/place/source \
	    tools/build-toolkit $(suite) $(target)/soak
	@for deb in $(target)/debs/$(suite)/*.deb; do cmp $$deb $(target)/soak/$${deb##*/} || exit; done
	@DH_VENV_KILLS=200 cargo test --locked --test venv sameness::a_build_killed_at_any_moment -- --nocapture
	@tools/debs bookworm
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','FAULT_EVERY=1']" \
	    --test system faults::on_bookworm -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','CHAOS_POINTS=0','CHAOS_SEED=0']" \
	    --test system chaos::killed_at_sampled_points -- --nocapture
	@tools/debs trixie
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root']" --features soak --test system -- \
	    programs::forty programs::rolling programs::exposure programs::live programs::cases zeo_client zeo_server contents examples sources missing_compiler
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','COST_LIMIT=100']" \
	    --test system programs::cost -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root']" --features soak --test driver -- environments
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','HOSTILE_MATRIX=full']" \
	    --test hostile -- --nocapture
	@ZEO_ROUNDS=20 cargo test --locked --test zeo at_ -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','ZEO_OUTAGE=30']" \
	    --test system zeo_nodes -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','FIRST_ANSWER=6']" \
	    --test system zeo_client::bookworm::under_systemd -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root']" --test soak by_hand -- --nocapture
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root']" --test soak plone -- --nocapture

self: ## the toolkit's packages once more, built by deb-build-app, for both suites; the same bytes
	@tools/prepare check
	@for suite in bookworm trixie; do tools/debs $$suite || exit; done
	@cargo build --locked --release --bin deb-build-app
	@tools/as-root tools/self-build

applications: ## public applications through `deb-build-app new`, built and installed; takes half an hour
	@tools/prepare check
	@tools/debs bookworm
	@cargo build --locked --bin deb-build-app
	@tools/as-root tools/applications

plone: ## Plone 6 as a client of a ZEO server, with its own constraints by PLONE_CONSTRAINTS=FILE
	@tools/prepare check
	@tools/debs bookworm
	@cargo test --locked --config "target.'cfg(unix)'.runner=['$(CURDIR)/tools/as-root','env','PLONE_CONSTRAINTS=$(abspath $(PLONE_CONSTRAINTS))']" \
	    --test soak plone -- --nocapture

update-golden: ## rewrite what the golden cases expect; look at the difference
	@UPDATE_GOLDEN=1 cargo test --locked --test golden --test manpages
	@git status --short tests/cases man share/completions

images: ## the chroot images of both suites, in the cache
	@tools/prepare debs
	@for suite in bookworm trixie; do tools/as-root tools/make-image $$suite rust || exit; done

clean: ## remove target/, but not the caches
	@if [ -n "$$(find $(target) -maxdepth 3 ! -user $$(id -un) 2>/dev/null | head -n 1)" ]; then \
	    tools/as-root rm -rf --one-file-system $(target); else rm -rf --one-file-system $(target); fi

.PHONY: help check debs demo bench soak self plone applications update-golden images clean
