"""Training: builds and runs the trainers of transformers, with a journal, exact resumption and a bit-exact contract."""
