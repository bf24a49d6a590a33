"""CUDA kernels: what each computes and why so, what it compiles to, how it is proven, how fast it was measured to be."""

import streamlit as st

from engine.core import device
from kernels import recorded
from pages.parts.kernels import one_kernel, standing
from pages.parts.prose import prose

st.title("CUDA kernels")
prose("cuda")
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
prose("cuda_proof")
st.code("python -m engine kernels --check", language="bash")
