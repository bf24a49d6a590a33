"""CUDA kernels: what each computes and why so, what it compiles to, how it is proven, how fast it was measured to be."""

from pathlib import Path

import streamlit as st

from engine.core import device
from kernels import recorded
from pages.parts.kernels import one_kernel, standing

st.title("CUDA kernels")
st.markdown(
    "Where a lab spends its time in many small operations on a GPU, one hand-written kernel does them in one pass over memory. "
    "Plain torch runs everywhere else: **on a CPU no curve changes**."
)
standing(device.gpus(), device.gpu_names())

table = recorded.recorded()
if not table["kernels"]:
    st.info("No kernel is recorded. `python -m engine kernels --check --write` makes the table.", icon=":material/info:")
names = list(table["kernels"])
with st.container(horizontal=True, gap="small"):
    for name in names:
        st.markdown(f"[`{name}`](#{name.replace('_', '-')})", width="content")
for name in names:
    one_kernel(name, table["kernels"][name], recorded.benches(), bool(device.gpus()))

st.header("How a kernel is proven without a GPU", anchor="proof")
st.markdown(Path(__file__).with_name("cuda_proof.md").read_text())
st.code("python -m engine kernels --check", language="bash")
