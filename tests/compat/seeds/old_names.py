import dspy
from dspy.teleprompt import BayesianSignatureOptimizer, BootstrapFewShotWithRandomSearch

dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))

print(dspy.PythonInterpreter({}).execute("1 + 1"))

class Short(dspy.Module):
    def __init__(self):
        super().__init__()
        self.answer = dspy.ChainOfThoughtWithHint("question -> answer")

    def forward(self, question):
        pred = self.answer(question=question)
        dspy.Assert(len(pred.answer) > 0, "Give an answer.")
        dspy.Suggest(len(pred.answer) < 100, "Keep the answer short.")
        return pred

print(Short()(question="Who inherited the castle?").answer)
print(BayesianSignatureOptimizer.__name__, BootstrapFewShotWithRandomSearch.__name__)
