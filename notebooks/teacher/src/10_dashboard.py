# %% [markdown]
# # What happens if I move this?

# %%
from mlops_lab import Dashboard

Dashboard().warm()

# %% [markdown]
# All panels of the course on one page, for a projector. `python start.py demo` shows this notebook with Voilà: the
# code is hidden, the letters are large, and nothing is fetched from another machine. The figures were measured on the
# flights of February and March 2013; nothing is trained while you wait.
