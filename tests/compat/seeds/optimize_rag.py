import dspy
dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))

# What the page leaves to the reader: an index to `search`, and a `trainset`.
def search(question, k):
    return ["David Gregory inherited Kinnairdy Castle in 1664."][:k]

trainset = [dspy.Example(question=f"Who inherited castle {i}?", response="David Gregory").with_inputs("question") for i in range(10)]

class RAG(dspy.Module):
    def __init__(self, num_docs=5):
        self.num_docs = num_docs
        self.respond = dspy.ChainOfThought('context, question -> response')

    def forward(self, question):
        context = search(question, k=self.num_docs)   # defined in tutorial linked below
        return self.respond(context=context, question=question)

tp = dspy.MIPROv2(metric=dspy.evaluate.SemanticF1(decompositional=True), auto="medium", num_threads=24)
optimized_rag = tp.compile(RAG(), trainset=trainset, max_bootstrapped_demos=2, max_labeled_demos=2)
