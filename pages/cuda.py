"""CUDA kernels: what each computes and why so, what it compiles to, how it is proven, how fast it was measured to be."""

import streamlit as st

from engine.core import device
from kernels import recorded
from pages.parts.kernels import one_kernel, standing

st.title("CUDA kernels")
st.markdown(
    "Where a lab spends its time in many small operations on a GPU, one hand-written kernel does them in one pass over memory. Each has a "
    "reference in plain torch, which runs everywhere else: **on a CPU every curve is the same with and without them**."
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
st.markdown(
    "The very same `.cu` file runs on the CPU: a header turns each thread of a block into a fiber, and takes the arguments that a launch "
    "would. Threads and blocks run forward and in reverse and must give **equal bits**; a barrier that some threads miss ends the launch. "
    "Results are compared with float64 at odd, prime, empty and unaligned sizes, with NaN and infinities planted, and once under "
    "AddressSanitizer. The tests also break each source on purpose and see that this is found. "
    "What an emulator cannot show: speed, and races between blocks that run at the same time."
)
st.code("python -m engine kernels --check", language="bash")
