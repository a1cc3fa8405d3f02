# %% [markdown]
# # What else goes wrong?
#
# Twelve failures, each broken on purpose in a folder of its own and mended again. The same as `python -m mlops_lab
# break NAME` and `reset` in a terminal. Nothing here touches a learner's work.
#
# With this notebook you can
#
# - break something in front of a class, and say beforehand what will happen,
# - show what the real code says to it,
# - have everything as it was a second later.

# %% [markdown]
# ## What there is

# %%
import tempfile

from mlops_lab import FAULTS, break_it, find_fault, reset

home = tempfile.TemporaryDirectory()
for fault in FAULTS:
    print(f"{fault.name:<18} notebook {fault.notebook}  {fault.title}")

# %% [markdown]
# ## Break, look, mend
#
# Ask first: a task has two retries, and the service it needs is away for five tries. What becomes of the three tasks
# after it?

# %%
break_it(find_fault("flaky-task"), home.name)

# %% [markdown]
# The task failed after its third try. The others never began: `upstream_failed`. And back:

# %%
reset(find_fault("flaky-task"), home.name)

# %% [markdown]
# ## A gate that can be talked round
#
# Ask first: what does `nan < 0.55` say?

# %%
break_it(find_fault("nan-metric"), home.name)

# %% [markdown]
# A gate that asks "is it too low?" would have let it through. This one asks "was it measured, and is it high enough?"

# %%
break_it(find_fault("self-approval"), home.name)

# %% [markdown]
# Read the refusal aloud: it names both people. Everything is mended at once by:

# %%
for name in ("nan-metric", "self-approval"):
    print(name, reset(find_fault(name), home.name).good)

# %% [markdown]
# ## With buttons
#
# The panel has the quick ones; `leak` and `bad-canary` train models and take some seconds, so they are for the
# terminal.

# %%
from mlops_lab import BreakPanel

BreakPanel()

# %% [markdown]
# ## What you can do now
#
# Break it before it breaks you. Netflix made a habit of it and called it
# [chaos engineering](https://principlesofchaos.org/).
