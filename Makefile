# make run      sets up and does the main job: config/config.yaml, into results/
#               another one, into a folder of its own: make run CONFIG=config/large.yaml writes runs/large/results/
# make test     sets up and runs the tests
# make bench    measures against the peers and the machine's floor, and draws docs/speed.png
# make evidence puts wrong formulas before this check and before its peers'
# make gpu      the GPU's tests and measurements, on a machine that has one
# make lint     formatters, linters, types; `make format` mends what can be mended
# make report   Snakemake's own report of the last run, results/snakemake-report.html
# make nvrtc    adds NVIDIA's runtime compiler, for the tests that compile the CUDA kernels; no GPU is needed
# make torch    adds the optional torch (CPU), for the tests against torch.nn.LSTMCell
# make slurm    adds Snakemake's executor for Slurm clusters (profiles/slurm)
# make peers    adds torch and JAX (CPU), for `make bench` and `make evidence`
# make lock     makes requirements.lock and requirements-slurm.lock again from pyproject.toml
# make clean    removes results and caches; `make distclean` the environment too
#
# Needs Python 3.11 or newer and make. PYTHON names the interpreter; ARGS is passed on (make test ARGS="-k files").

PYTHON ?= python3
VENV ?= .venv
CONFIG ?=
ARGS ?=
CUPY ?= 14.2.0
TORCH ?= torch==2.13.0+cpu
JAX ?= jax==0.10.2
NVRTC ?= nvidia-cuda-nvrtc==13.0.88

# Another configuration has a folder of its own, so that it replaces no table of the main job: config/test/config.yaml
# becomes runs/test-config. (Folders in its path become part of the name.)
FOLDER := $(if $(CONFIG),runs/$(subst /,-,$(patsubst config/%,%,$(basename $(CONFIG)))))
SNAKEMAKE_RUN = $(BIN)/python -m snakemake $(if $(CONFIG),--configfile $(CONFIG) --directory $(FOLDER))

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
READY := $(VENV)/ready

# One thread for each process: the matrices are small, and the workflow has as many jobs as cores.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: run test bench evidence gpu lint format report nvrtc torch slurm peers lock setup cupy clean distclean
.DEFAULT_GOAL := run

run: setup
	@$(BIN)/python -m lstm_gpu validate $(or $(CONFIG),config/config.yaml)
	$(SNAKEMAKE_RUN) $(ARGS)
	@echo "results: $(if $(CONFIG),$(FOLDER)/)results/report.html"

test: setup
	$(BIN)/python -m pytest $(ARGS)

bench: setup
	$(BIN)/python -m benchmarks --figure docs/speed.png $(ARGS)

evidence: setup
	$(BIN)/python -m benchmarks.evidence $(ARGS)

gpu: setup
	@$(BIN)/python -c "import sys; from lstm_gpu import kernels; cupy, reason = kernels.or_reason(); \
	cupy or sys.exit(print('make gpu needs a GPU and a compiler:', reason) or 2)"
	$(BIN)/python -m pytest -m gpu
	@if command -v compute-sanitizer >/dev/null; then for tool in memcheck racecheck synccheck; do \
	compute-sanitizer --tool $$tool --error-exitcode 9 $(BIN)/python -m pytest -q -n0 -m gpu tests/test_cuda_check.py \
	tests/test_sphere_kernel.py -k "[2- or [8- or [17-" || exit; done; else echo "no compute-sanitizer here: not run"; fi
	$(BIN)/python -m benchmarks.gpu $(ARGS)

lint: $(READY)
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy
	$(BIN)/python -m snakefmt --check Snakefile workflow
	$(BIN)/python -m snakemake --lint

format: $(READY)
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m snakefmt Snakefile workflow

report: setup
	$(SNAKEMAKE_RUN) --report results/snakemake-report.html

nvrtc: $(READY)
	$(PIP) install -qq "$(NVRTC)" cuda-pathfinder || { echo "make nvrtc: no build $(NVRTC) is at hand; name the one \
	for this machine: make nvrtc NVRTC=nvidia-cuda-nvrtc==VERSION" >&2; exit 2; }

torch: $(READY)
	$(PIP) install -qq "$(TORCH)" || { echo "make torch: no build $(TORCH) is at hand; name the one for this \
	machine: make torch TORCH=torch==VERSION" >&2; exit 2; }

# Locked too, in a file of its own: only those who have a cluster need it.
slurm: $(READY)
	$(PIP) install -qq --require-hashes --only-binary :all: --requirement requirements-slurm.lock

peers: torch
	$(PIP) install -qq "$(JAX)" || { echo "make peers: no build $(JAX) is at hand; name the one for this \
	machine: make peers JAX=jax==VERSION" >&2; exit 2; }

setup: $(READY) cupy

# Locked, with hashes; done again when the lock changes. setuptools goes first: it builds what has no wheel (one package), for
# which pip would fetch another, without a hash.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c "import sys; sys.version_info >= (3, 11) or sys.exit('Python 3.11 or newer is needed, this is ' \
	+ sys.version.split()[0] + '. Name one: make PYTHON=python3.11')"
	@echo "setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module does not work here: install it (on Debian: apt install \
	python3-venv)" >&2; exit 2; }
	@sed -n '/^setuptools==/,/# via/p' requirements.lock > $(VENV)/setuptools.lock
	@$(PIP) install -qq --require-hashes --no-deps --only-binary :all: --requirement $(VENV)/setuptools.lock
	@$(PIP) install -qq --require-hashes --no-build-isolation --requirement requirements.lock
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@

# The CuPy build for the driver's CUDA version, with the CUDA libraries it calls; nothing where no driver answers.
# `backend: auto` goes on with NumPy when the installation fails, so a failure is a message and no error.
cupy: $(READY)
	@cuda=$$(nvidia-smi 2>/dev/null | sed -n 's/.*CUDA[A-Za-z ]*Version: *\([0-9][0-9]*\).*/\1/p' | head -n 1); \
	test -n "$$cuda" || exit 0; \
	if test "$$cuda" -lt 12; then echo "cupy: the driver's CUDA $$cuda is too old (12 or newer is needed); running on NumPy" >&2; \
	exit 0; fi; \
	test "$$cuda" -le 13 || cuda=13; \
	test -e $(VENV)/cupy-cuda$${cuda}x && exit 0; \
	echo "installing cupy-cuda$${cuda}x $(CUPY) (once)"; \
	if $(PIP) install -qq "cupy-cuda$${cuda}x[ctk]==$(CUPY)"; then touch $(VENV)/cupy-cuda$${cuda}x; \
	else echo "cupy: the installation failed (see above); running on NumPy" >&2; fi

# pip-tools from its own environment, so that it does not lock itself. No index address and no path is written.
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/pip-compile --quiet --generate-hashes --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --strip-extras
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet pip-tools
	$(COMPILE) --extra test --output-file requirements.lock pyproject.toml
	$(PYTHON) -c "import tomllib; \
	print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['optional-dependencies']['slurm'], sep='\n')" | \
	$(COMPILE) --constraint requirements.lock --no-annotate --output-file requirements-slurm.lock -

clean:
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	rm -rf runs .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis build
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) .venv-lock lstm_gpu.egg-info
