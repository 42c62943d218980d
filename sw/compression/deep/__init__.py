"""Deep Compression: weight sharing, relative indices, Huffman coding, and the file format of its authors.

Source: S. Han, H. Mao and W. J. Dally, "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and
Huffman Coding", ICLR 2016. Its first step, pruning, is ``sw.compression.magnitude``.
"""
