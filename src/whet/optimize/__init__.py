"""One search loop (propose, evaluate, keep), its plans, budget and journal, and the named recipes over it."""
