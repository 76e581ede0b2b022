GLOBAL_CONFIG = "config/config.yaml"
SUITE_CONFIG = "config/suites/{suite}.yaml"
