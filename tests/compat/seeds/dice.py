import dspy
dspy.configure(lm=dspy.LM('openai/gpt-4o-mini'))

math = dspy.ChainOfThought("question -> answer: float")
print(math(question="Two dice are tossed. What is the probability that the sum equals two?"))
