"""AMC: what leaves each layer of a network is chosen by an agent that learns from the accuracies of many choices.

Source: Y. He et al., "AMC: AutoML for Model Compression and Acceleration on Mobile Devices", ECCV 2018.
"""
