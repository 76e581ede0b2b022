"""Sentence embeddings, two dropout masks a sentence: with `ids`, duplicates are not each other's negatives."""

import torch
from torch import nn

from dhel_kcl.losses import SimCLRLoss

sentences = ["a dog runs", "a cat sleeps", "a dog runs", "two birds sing", "a cat sleeps", "rain falls"]
words = {word: number for number, word in enumerate(sorted({w for s in sentences for w in s.split()}))}
tokens = torch.tensor([[words[w] for w in s.split()] + [len(words)] * (3 - len(s.split())) for s in sentences])
ids = torch.tensor([sentences.index(s) for s in sentences])  # equal for equal sentences; labels, songs, ... likewise

torch.manual_seed(0)
encoder = nn.Sequential(nn.EmbeddingBag(len(words) + 1, 32), nn.Dropout(0.1), nn.Linear(32, 16))
criterion = SimCLRLoss(temperature=0.05)
optimizer = torch.optim.Adam(encoder.parameters(), lr=0.01)
for _step in range(30):
    loss = criterion(encoder(tokens), encoder(tokens), ids=ids)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
z = encoder.eval()(tokens)
assert criterion(z, z, ids=ids) < 0.01  # nothing is left to push apart
assert criterion(z, z) > 0.4  # duplicates as negatives: log 3 for four of the six sentences, whatever the encoder does
