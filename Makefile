# Two commands for a fresh machine with Python ≥ 3.11 and make:
#   make demo   fits the cameraman and shows what came out
#   make test   lints, checks types, builds the documentation and runs the tests

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The demo at full quality; a smoke run passes fewer.
PASSES ?= 16

.PHONY: demo test suite browser smoke lint docs pictures viewer long clean

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)
	mkdir -p demo
	$(BIN)/sinefield fit sample:camera --resize 256 --passes $(PASSES) -o demo/camera.safetensors \
	    --figure demo/camera.png --animate demo/camera.gif
	$(BIN)/sinefield render demo/camera.safetensors demo/reconstruction.png --scale 2
	@echo "Look at demo/camera.png (truth beside field), demo/camera.gif (the training), demo/reconstruction.png."

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Of their own, for `make --jobs 2 test` to begin with the tests while the types are checked on one core.
suite: $(STAMP)
	$(BIN)/pytest --numprocesses auto --dist worksteal

test: lint docs suite

# The page of fields in Debian's Chromium, or the one that CHROMIUM names.
browser: $(STAMP)
	$(BIN)/pytest --numprocesses auto --dist loadfile -m browser $$(grep -rl --include='*.py' mark.browser tests)

# Every benchmark, tiny.
smoke: $(STAMP)
	$(BIN)/pytest --numprocesses auto -m smoke tests/test_smokes.py

long: $(STAMP)
	$(BIN)/pytest -m long

pictures: $(STAMP)
	$(BIN)/python docs/make_pictures.py

# The field of the page in the documentation, and a picture of that page in Chromium.
viewer: $(STAMP)
	$(BIN)/python docs/make_field_of_page.py
	$(BIN)/python docs/make_viewer_picture.py

clean:
	rm -rf $(VENV) demo site .mypy_cache .pytest_cache .ruff_cache
