"""Build & launch: every knob of a lab as a form.  `?lab=` and `?preset=` name where it starts, `?from=RUN` an earlier run."""

import shlex

import streamlit as st

from engine.declare.records import cures
from engine.declare.resolve import Declaration, KnobError, declaration
from engine.declare.revise import changes, command, request_of, written
from engine.runs.folder import run_folder
from engine.scheduler import estimate
from engine.server.service import service
from pages.parts.cards import leave, skeletons, start
from pages.parts.charts.live_chart import preload
from pages.parts.gallery.filters import in_order
from pages.parts.knobs.field import NOT_SET
from pages.parts.knobs.form import form
from pages.parts.own_address import replace_own_address
from pages.parts.plain import code, plain
from pages.parts.runs.story import FREE
from pages.parts.sweeps.form import sweep_form
from pages.parts.words import duration, title

OWN = ""  # the preset of who wants none

preload()
replace_own_address()
answer = service().labs()
st.title("Build a run")
if answer["state"] == "computing":
    skeletons()
    st.stop()
if not answer["labs"]:
    st.error(f"No lab can be built: {plain(answer['says'] or 'none could be read')}; the gallery says more.", icon=":material/error:")
    st.page_link("home.py", label="Go to the gallery", icon=":material/grid_view:")
    st.stop()
labs = {lab["lab"]: lab for lab in in_order(answer["labs"])}

# -- where the form starts ---------------------------------------------------------------------------


def started_elsewhere() -> None:
    """Another lab or preset was chosen: what the address said of the old one is gone."""
    for name in ("from", "knobs"):
        st.query_params.pop(name, None)


source = st.query_params.get("from", "")
earlier, before = None, {}
if source:
    try:
        earlier = run_folder(service().data, source).spec()
    except KeyError:
        st.error(
            f"There is no run {code(source)} to duplicate; it may have been deleted. Choose a preset instead.", icon=":material/search_off:"
        )
    if earlier and earlier["lab"] not in labs:
        st.error(f"The run {code(source)} belongs to the lab {plain(earlier['lab'])}, which cannot be read now.", icon=":material/error:")
        earlier = None
if earlier:
    preset_of_run, before, lost = request_of(labs[earlier["lab"]], earlier)
    if lost:
        st.warning(f"The lab has changed since that run; left out: {', '.join(map(code, lost))}.", icon=":material/warning:")

arrives = "build_lab" not in st.session_state  # the address is as it was given, and says all that the form shows
wanted_lab = earlier["lab"] if earlier else st.query_params.get("lab", "")
lab_names = list(labs)
with st.container(horizontal=True, vertical_alignment="bottom"):
    chosen_lab = st.selectbox(
        "Lab",
        lab_names,
        index=lab_names.index(wanted_lab) if wanted_lab in labs else 0,
        format_func=lambda name: labs[name]["title"],
        on_change=started_elsewhere,
        key="build_lab",
        width=320,
    )
    lab = labs[chosen_lab]
    presets = [*lab["presets"], OWN]
    wanted = (preset_of_run or OWN) if earlier else st.query_params.get("preset", presets[0])
    chosen = st.selectbox(
        "Start from the preset",
        presets,
        index=presets.index(wanted) if wanted in presets else 0,
        format_func=lambda name: title(name) if name else "none: the defaults of the lab",
        on_change=started_elsewhere,
        key=f"build_preset_{chosen_lab}_{source}",
        width=320,
    )
if earlier and (chosen_lab != earlier["lab"] or chosen != (preset_of_run or OWN)):
    earlier = None  # the person has turned to something else
preset = chosen or None
if not arrives:
    st.query_params.from_dict(
        {"lab": chosen_lab, "preset": chosen}
        | ({"from": source} if earlier else {})
        | ({"knobs": st.query_params["knobs"]} if "knobs" in st.query_params else {})
    )
alone = declaration(lab, preset, {})  # the preset without a change
base = before if earlier else alone.shown
origin = f"the run {code(source)}" if earlier else f"the preset {title(chosen)}" if preset else "the lab's defaults"
key = f"build:{chosen_lab}:{chosen}:{source if earlier else ''}"
try:  # a link may carry changes; once drawn, the fields themselves know
    linked = {name: value for name, _, value in (word.partition("=") for word in shlex.split(st.query_params.get("knobs", "")))}
except ValueError:
    linked = {}


def probe_price(of: Declaration) -> str:
    """What the chosen probes add to a step, as runs of this size measured it here, or that none did."""
    level, measured = code(of.flat["probes"]), estimate.probe_share(service().data, of)
    if measured is None:
        return f"What the probes up to {level} add to a step is not measured on this machine yet."
    share, count = measured
    runs = f"{count} earlier runs" if count > 1 else "one earlier run"
    return f"The probes up to {level} add {100 * share / (1 - share):.0f} % to the rest of a step, as measured in {runs} of this size."


# -- the form, and above it what it comes to ------------------------------------------------------------

top = st.container()
flat, wrong = form(lab, base, linked, key)
changed = {name: value for name, value in flat.items() if base.get(name) != value}
over = changes(alone, flat)
declared, refused, no_cure = None, "", ""
if not wrong:
    try:
        declared = declaration(lab, preset, over)
        declared.on_this_machine()
    except KnobError as error:
        declared, refused = None, str(error)
twin = lab["presets"][preset]["twin"] if preset else None
cures_it = cures(lab, preset or "")
if twin and declared:
    try:
        if declaration(lab, twin, over).flat == declared.flat:
            no_cure = f"With these changes {'the cure' if cures_it else 'the other run'} would make no difference."
    except KnobError as error:
        no_cure = f"{'The cure' if cures_it else 'The other run'} cannot take these changes: {plain(error)}"
if changed and not arrives:
    st.query_params["knobs"] = " ".join(shlex.quote(f"{name}={written(value)}") for name, value in changed.items())
elif not arrives:
    st.query_params.pop("knobs", None)

with top.container(border=True):
    if preset:
        apart = f"What the preset {title(preset)} does without these changes: " if set(over) - FREE else ""
        st.markdown(f"{apart}{lab['presets'][preset]['story']}")
    if changed:
        marked = [
            f"{code(name)} {plain(written(base[name]) or NOT_SET)} → **{plain(written(value) or NOT_SET)}**"
            if name in base
            else f"{code(name)} **{plain(written(value))}**"
            for name, value in changed.items()
        ]
        st.markdown(f":orange-badge[:material/edit: {len(changed)} changed] against {origin}: {', '.join(marked)}")
    else:
        st.markdown(f"The same as {origin}; change what you like below.")
    for sentence in [*wrong, *([refused] if refused else [])]:
        st.error(plain(sentence), icon=":material/error:")
    if declared:
        found = estimate.seconds(service().data, declared)
        if found:
            runs = f"{found[1]} earlier runs" if found[1] > 1 else "one earlier run"
            st.markdown(f":material/timer: It will take {duration(found[0])}, as measured in {runs} of this size.")
        else:
            st.markdown(":material/timer: No estimate yet: no run of this size has been measured on this machine.")
        if "probes" in declared.flat:
            st.markdown(f":material/sensors: {probe_price(declared)}")
    with st.container(horizontal=True):
        once = st.button("Launch", icon=":material/play_arrow:", type="primary", disabled=not declared, key="launch")
        both = twin is not None and st.button(
            "Launch with its cure" if cures_it else "Launch both",
            icon=":material/healing:" if cures_it else ":material/compare_arrows:",
            disabled=not declared or bool(no_cure),
            help=no_cure
            or f"Two runs from the same start on the same data; only {'the cure' if cures_it else 'what is compared'} differs.",
            key="launch_cure",
        )
    if once or both:
        started, message = start(chosen_lab, preset, both, over)
        leave(started)
        st.error(plain(message), icon=":material/error:")
    if declared:
        st.caption("The same on the command line:")
        st.code(command(declared), language="bash", wrap_lines=True)
        sweep_form(lab, preset, over, flat, key)
