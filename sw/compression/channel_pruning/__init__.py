"""Whole channels that leave a network: by the norms of filters, by the gains of batch norms, by LASSO."""
