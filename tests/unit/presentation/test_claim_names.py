from dhel_kcl.presentation.claim_names import with_number


def test_a_claim_is_named_with_its_number():
    assert with_number("C3") == "C3: better accuracy"
    assert with_number("C1 terms") == "C1 terms: what the log-denominators alone ask for (ours)"
    assert with_number("C1, limits") == "C1, limits"
