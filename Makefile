# What `sam build` runs for every function of template.yaml (Metadata: BuildMethod: makefile). All functions get the
# same package: `tracker` and its run-time dependencies, as wheels for Lambda. Nothing is written twice: the dependencies
# come from pyproject.toml, the Python version and the processor from template.yaml.
#
# By hand: make build-ConnectFunction ARTIFACTS_DIR=/some/empty/folder

SHELL := /bin/sh
PYTHON ?= python3
RUNTIME := $(shell sed -n 's/^ *Runtime: python//p' template.yaml)
ARCHITECTURE := $(shell sed -n 's/^ *Architectures: \[\(.*\)\]/\1/p' template.yaml)
MACHINE := $(if $(filter arm64,$(ARCHITECTURE)),aarch64,$(ARCHITECTURE))

build-%:
	@test -n "$(ARTIFACTS_DIR)" || { echo "ARTIFACTS_DIR is not set: run 'sam build', or name an empty folder" >&2; exit 2; }
	mkdir -p "$(ARTIFACTS_DIR)"
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
		> "$(ARTIFACTS_DIR)/requirements.txt"
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-compile --only-binary=:all: \
		--implementation cp --python-version $(RUNTIME) \
		--platform manylinux_2_28_$(MACHINE) --platform manylinux2014_$(MACHINE) \
		--target "$(ARTIFACTS_DIR)" --requirement "$(ARTIFACTS_DIR)/requirements.txt"
	rm "$(ARTIFACTS_DIR)/requirements.txt"
	rm -rf "$(ARTIFACTS_DIR)/bin"
	(find tracker -name '*.py' | tar -cf - -T -) | tar -xf - -C "$(ARTIFACTS_DIR)"
	@# Lambda cannot write bytecode beside the code: without it each cold start compiles all that it imports, which doubles
	@# its CPU. Unchecked, because what the times of the files were is lost in the package.
	@if $(PYTHON) -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(RUNTIME)")'; then \
		$(PYTHON) -m compileall -q --invalidation-mode unchecked-hash -s "$(ARTIFACTS_DIR)" -p /var/task "$(ARTIFACTS_DIR)"; \
	else \
		echo "warning: $(PYTHON) is not Python $(RUNTIME), so cold starts will be slow; build with PYTHON=python$(RUNTIME)" >&2; \
	fi
