"""The proof that digests tell the truth: one token changed in any module changes exactly the steps that use it."""

import ast
import io
import keyword
import shutil
import tokenize
from fnmatch import fnmatch

import pytest

from dhel_kcl.evidence.figures import FIGURES
from dhel_kcl.evidence.tables import TABLES
from dhel_kcl.runtime import science
from dhel_kcl.runtime.digest import SOURCE, Code, docstrings
from dhel_kcl.theory import EXPERIMENTS

LOSSES = {
    "infonce": {"name": "infonce"},
    "simclr": {"name": "simclr"},
    "dcl": {"name": "dcl"},
    "dhel": {"name": "dhel"},
    "kcl gaussian": {"name": "kcl", "kernel": "gaussian"},
    "kcl log": {"name": "kcl", "kernel": "log"},
    "kcl imq": {"name": "kcl", "kernel": "imq"},
    "kcl riesz": {"name": "kcl", "kernel": "riesz"},
    "kcl gaussian_riesz": {"name": "kcl", "kernel": "gaussian_riesz"},
    "supervised": {"name": "supervised"},
}


CHANGES = """
    __main__  files  runtime.*  steps.*      -
    study.selection                          select, collect, join
    study.*                                  -

    data.catalogue  data.fetching            -
    data.folders  data.sources.folder        fetch own
    data.sources.cifar                       fetch cifar10, fetch cifar100
    data.sources.*                           fetch {module}
    data.copies                              fetch cifar10, fetch cifar100, fetch stl10
    data.archives                            fetch *, not fetch digits, not fetch imagenet100, not fetch own
    data.download                            fetch *, not fetch digits, not fetch imagenet100, not fetch own
    data.arrays  data.writing                fetch *
    data.images                              fetch *, * streamed
    data.split                               split, collect, join
    data.prepared                            fetch *, split, pretrain *, evaluate *, transfer *, plan, collect, join

    geometry.collapse                        -
    geometry.metrics                         evaluate *, theory uniformity, theory batch_size, theory minibatches
    geometry.sphere                          {losses}, {theory}, theory uniformity, evaluate *, plan, figure sim*
    kernels.parameters                       pretrain *, {theory}, plan
    kernels.base                             pretrain kcl *, {theory}
    kernels.*                                pretrain kcl {module}, {theory}
    losses.__init__  losses.identification   -
    losses.base  losses.gather               pretrain *, {theory}, plan
    losses.inputs  losses.negatives          pretrain *, {theory}, plan
    losses.blocks                            {losses}, {theory}, plan
    losses.log_sum_exp  losses.tempered      {losses}, not pretrain kcl *, {theory}, plan
    losses.large_log_sums                    {losses}, not pretrain kcl *, {theory}, plan
    losses.kcl_loss  losses.distances        pretrain kcl *, {theory}
    losses.large_energies                    pretrain kcl *, {theory}
    losses.simclr_loss                       pretrain simclr, {theory}, plan
    losses.*_loss                            pretrain {module}, {theory}

    views.memory                             pretrain *, evaluate *, transfer *, not * streamed, plan
    views.streaming                          * streamed
    views.*                                  pretrain *, evaluate *, transfer *, plan
    training.backbones.compact_resnet        {losses}, pretrain supervised, * compact, plan
    training.backbones.resnet                * resnet, * streamed, plan
    training.backbones.base                  pretrain *, evaluate *, transfer *, plan
    training.networks  training.spec         pretrain *, evaluate *, transfer *, plan
    training.cores  training.device          pretrain *, evaluate *, transfer *, plan
    training.optimiser                       pretrain *, evaluate *, plan
    training.throughput                      plan
    training.*                               pretrain *, plan

    evaluation.transfer                      transfer *
    evaluation.embed  evaluation.spec        evaluate *, transfer *
    evaluation.accuracy  evaluation.linear   evaluate *, transfer *
    evaluation.logistic                      evaluate *, transfer *
    evaluation.neighbours                    evaluate *, transfer *
    evaluation.*                             evaluate *

    theory.methods                           {theory}
    theory.experiment                        theory *, not theory figure *, not theory tables
    theory.verdict                           theory *, not theory figure *
    theory.descent                           {theory}, not theory circle
    theory.minima                            theory minima, theory local_minima, theory minibatches
    theory.figures.shares                    theory figure minima, theory figure local_minima
    theory.figures.*                         theory figure {module}
    theory.*                                 theory {module}

    presentation.style                       figure *, theory figure *
    presentation.titles                      theory figure *, not theory figure uniformity, theory tables, figure causes
    presentation.table_files                 table *, published, theory tables, figure planned
    presentation.claim_names                 {judged}, theory tables
    presentation.verdict_words               {judged}, {hyperparameters}, theory *, not theory figure *
    evidence.collect  evidence.run_files     collect, join
    evidence.tidy                            collect, join, judge, figure *, table *, published
    evidence.estimates  evidence.causes      {judged}, {hyperparameters}
    evidence.statistics                      {judged}, {hyperparameters}
    evidence.dataset_runs                    {judged}, {hyperparameters}
    evidence.grids                           {judged}, {hyperparameters}, table runs, table ablations, table negative*
    evidence.ledger                          {judged}
    evidence.scope                           figure claims, figure planned, table claims*
    evidence.verdicts  evidence.status       judge
    evidence.limits                          judge
    evidence.wording                         {judged}, {hyperparameters}, table causes*
    evidence.power  evidence.stray_rows     -
    evidence.exhibit  evidence.overview      -
    evidence.takeaways                       -
    evidence.published                       table published, table negative_variance, published
    evidence.figures.__init__                -
    evidence.figures.panels                  figure *
    evidence.figures.forest                  figure claims, figure planned, figure causes
    evidence.figures.claims                  figure claims, figure planned
    evidence.figures.*                       figure {module}
    evidence.tables.__init__                 -
    evidence.tables.accuracy                 table linear_evaluation, table cached_probe, table probes, table knn
    evidence.tables.claims                   table claims, table claims_summary, figure planned
    evidence.tables.causes                   table causes_points, table causes_effects
    evidence.tables.negatives                table negative_variance
    evidence.tables.published                table published, published
    evidence.tables.*                        table {module}

    registry                                 pretrain *, evaluate *, transfer *, plan, {theory}
"""
"""Which steps' digests change with a module; the first line that names it counts, "-" is none."""

GROUPS = {
    "losses": "pretrain infonce, pretrain simclr, pretrain dcl, pretrain dhel, pretrain kcl *",
    "theory": "theory minima, theory local_minima, theory minibatches, theory batch_size, theory circle",
    "hyperparameters": "figure hyperparameters",
    "judged": "judge, figure claims, figure planned, figure causes, table claims*, table robustness, table causes_*",
}


def expected(module, steps):
    """Those of the steps that CHANGES says change with a module."""
    for line in filter(str.strip, CHANGES.splitlines()):
        modules, said = line[:45].split(), line[45:]
        if any(fnmatch(module, pattern) for pattern in modules):
            changed = set()
            for pattern in said.format(module=module.split(".")[-1].removesuffix("_loss"), **GROUPS).split(", "):
                without = pattern.startswith("not ")
                matching = {step for step in steps if fnmatch(step, pattern.removeprefix("not "))}
                changed = changed - matching if without else changed | matching
            return changed
    raise AssertionError(f"CHANGES does not name {module}")


def every_step(code):
    """{step: digest} of each kind of result that there is."""
    digests = {f"fetch {name}": science.of_fetching(name, code) for name in ("digits", "fashion_mnist", "cifar10")}
    digests |= {f"fetch {name}": science.of_fetching(name, code) for name in ("cifar100", "stl10", "imagenet100")}
    digests["fetch own"] = science.of_fetching("own", code)
    for name, loss in LOSSES.items():
        digests[f"pretrain {name}"] = science.of_pretraining(loss, "compact_resnet", "memory", code)
    digests["pretrain resnet"] = science.of_pretraining({"name": "supervised"}, "resnet18", "memory", code)
    digests["pretrain streamed"] = science.of_pretraining({"name": "supervised"}, "resnet50", "streamed", code)
    digests["evaluate compact"] = science.of_evaluating("compact_resnet", "memory", code)
    digests["evaluate resnet"] = science.of_evaluating("resnet18", "memory", code)
    digests["evaluate streamed"] = science.of_evaluating("resnet50", "streamed", code)
    digests["transfer compact"] = science.of_transferring("compact_resnet", "memory", code)
    digests["transfer streamed"] = science.of_transferring("resnet50", "streamed", code)
    digests |= {step: science.of_step(step, code) for step in science.FUNCTIONS}
    digests |= {f"table {name}": science.of_exhibit(exhibit, code) for name, exhibit in TABLES.items()}
    digests |= {f"figure {name}": science.of_exhibit(exhibit, code) for name, exhibit in FIGURES.items()}
    digests |= {f"theory {name}": science.of_theory(name, code) for name in EXPERIMENTS}
    return digests | {f"theory figure {name}": science.of_theory_figure(name, code) for name in EXPERIMENTS}


def mutated(text):
    """The text with its last name or number inside a function, or else its last number or string, changed."""
    tree = ast.parse(text)
    texts = {(node.lineno, node.end_lineno) for node in docstrings(tree)}
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    skipped = texts | {(node.lineno, node.end_lineno) for node in imports}
    lines, chosen = text.splitlines(keepends=True), None
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        (line, column), free = token.start, not any(a <= token.start[0] <= b for a, b in skipped)
        is_name = token.type == tokenize.NAME and column > 0 and not keyword.iskeyword(token.string)
        if free and (is_name or token.type == tokenize.NUMBER):
            chosen = token
    if chosen is None:
        return None
    (line, column), end = chosen.start, chosen.end[1]
    changed = f"{chosen.string}_" if chosen.type == tokenize.NAME else f"1{chosen.string}"
    lines[line - 1] = lines[line - 1][:column] + changed + lines[line - 1][end:]
    return "".join(lines)


def modules():
    """Every module of the package, dotted, but for those that hold no code."""
    names = [".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in sorted(SOURCE.rglob("*.py"))]
    return [name for name in names if mutated(Code().folder.joinpath(*name.split(".")).with_suffix(".py").read_text())]


@pytest.fixture(scope="module")
def change(tmp_path_factory):
    """Function that gives the steps whose digests change with a token of a module."""
    folder = tmp_path_factory.mktemp("mutation") / "dhel_kcl"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before, known = every_step(Code(folder)), Code(folder)
    every_step(known)

    def change(name):
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        kept = path.read_text(encoding="utf-8")
        path.write_text(mutated(kept), encoding="utf-8")
        code = Code(folder)
        code._sources |= {other: source for other, source in known._sources.items() if source.path != path}
        after = every_step(code)
        path.write_text(kept, encoding="utf-8")
        return {step for step in before if before[step] != after[step]}

    change.before = before
    return change


def test_every_step_has_a_digest_of_its_own(change):
    before = change.before
    assert len(before) > 60
    shared = [step for step in before if list(before.values()).count(before[step]) > 1]
    assert shared == []


@pytest.mark.parametrize("module", modules())
def test_a_token_changes_exactly_the_steps_that_use_it(change, module):
    assert change(module) == expected(module, change.before)
