"""The contract of an option, which holds for those of this package and for those of others.

A plug-in tests its option with one call (`runner-new` writes it):

    from runner.contract import check_option

    import my_sgd  # registers the option


    def test_the_contract():
        check_option("optimizer", "my_sgd", "my_conf")

What an option owes:

- its class derives from the base of its group, is declared with `option`, and has a docstring;
- its YAML file has a value for every field, the default of the class, and says what each means;
- its floats are data: another value compiles nothing, and a run that trains in one program with
  others gives what it gives alone;
- in a small run all losses are finite, and an optimizer lowers them.
"""

from runner.contract.option import check_option, experiment_with

__all__ = ["check_option", "experiment_with"]
