PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc python CMakeLists.txt -type f -not -path '*/__pycache__/*' -not -name '*.so')
CXX_SOURCES := $(shell find csrc tests/cpp examples -name '*.hpp' -o -name '*.h' -o -name '*.cpp' 2>/dev/null)

.PHONY: demo test e2e-supernets lint format clean

demo: $(VENV)/.installed  ## search on real data for about 90 seconds, then train, export and check the winner
	$(BIN)/efficient-nas search configs/quickstart.yaml

test: $(VENV)/.installed  ## all tests; needs neither a GPU nor the network
	$(BIN)/python -m pytest -q -n auto --maxprocesses 8 --dist worksteal

e2e-supernets: $(VENV)/.installed  ## supernets on real CIFAR-10 images against random cells and training alone; just under 40 minutes on 2 cores
	$(BIN)/python benchmarks/e2e_supernets.py --output build/e2e-supernets/results.md

lint: $(VENV)/.linters  ## style, types and compiler warnings; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)
	EFFNAS_WERROR=ON $(BIN)/pip wheel -q --no-deps -w build/lint-wheel .

format: $(VENV)/.linters
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CXX_SOURCES)

$(VENV)/.installed: pyproject.toml constraints.txt $(SOURCES)
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q -c constraints.txt '.[test]'
	touch $@

$(VENV)/.linters: $(VENV)/.installed
	$(BIN)/pip install -q -c constraints.txt '.[lint]'
	touch $@

clean:
	rm -rf $(VENV) build dist
