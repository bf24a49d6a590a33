# Two commands: `make app` sets up and opens the lab, `make test` sets up and passes everything.
# Each recipe is also written out in README.md for systems without make.
PYTHON ?= python3
BIN := .venv/bin
PORT ?= 8501
ARGS ?=

.PHONY: app test lint science docs clean

app: .venv/app.stamp
	$(BIN)/streamlit run app.py --server.port $(PORT) $(ARGS)

# One thread each: two pytest processes, and the runs they start, share the cores.
test science: export OMP_NUM_THREADS := 1
test: .venv/test.stamp lint
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist worksteal --durations=15 --durations-min=5

lint: .venv/test.stamp
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .

# What is stale of the numbers that cards and docs show, from full presets over their seeds, held against new seeds, both maps and the film of the README, and the slow tests.  Goes on after a kill.
science: .venv/test.stamp
	$(BIN)/python -m engine.docs.measure --stale
	$(BIN)/python -m engine.docs.measure --check 9-12
	$(BIN)/python -m engine.docs.reference docs
	$(BIN)/python -m engine map moe lr=1e-3..3 router=softmax_top_k,loss_free,sinkhorn,hash steps=150 seed=0..4 --cells 6 --refine 2 --picture docs/pictures/map_router.svg
	$(BIN)/python -m engine map trainability lr_in=1..1e5 lr_out=1..1e3 --cells 64 --picture docs/pictures/map_trainability.svg
	D=$$(mktemp -d) && for P in collapse collapse_cured; do FAULTLINE_DATA=$$D $(BIN)/python -m engine run moe --preset $$P || exit 1; done && $(BIN)/python -m engine.docs.animation $$D/runs/*-moe-* --out docs/pictures/collapse.svg
	$(BIN)/python -m pytest -q -m slow

# The reference pages, from the catalogs.
docs: .venv/app.stamp
	$(BIN)/python -m engine.docs.reference docs

.venv/app.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/test.stamp: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	touch $@ .venv/app.stamp

clean:
	rm -rf .venv .pytest_cache .ruff_cache *.egg-info
