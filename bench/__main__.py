"""``python -m bench``: the performance benchmark, its tables, its stored results and the page that shows them."""

import click
from rich.console import Console

from . import cycle_model, page, performance
from .components import COMPONENTS, component_luts
from .workloads import BOARD, WORKLOADS


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(WORKLOADS)), help="Measure this network only.")
@click.option("--luts", is_flag=True, help="Synthesise the components of preset ulx3s-85f (a minute or two).")
@click.option(
    "--choices",
    is_flag=True,
    help="Explore channel accumulation for VGG16, or the networks named (minutes each).",
)
@click.option(
    "--rtl", is_flag=True, help="Run ResNet-8 and ResNet-20, and layers of the others, as RTL (an hour)."
)
@click.option(
    "--cycle-model", "model", is_flag=True, help="Compare the cycle model with the RTL on random networks."
)
@click.option("--build", is_flag=True, help="Build the bitstream of preset ulx3s-85f.")
@click.option("--tables", is_flag=True, help="Measure nothing: print what is stored and write the page.")
def main(only, luts, choices, rtl, model, build, tables):
    """Measure the networks, print the tables, write bench/results/performance.json and docs/performance.md."""
    console = Console(width=max(150, Console().width))
    results = performance.load()
    for name in () if tables else only or WORKLOADS:
        with console.status(name):
            performance.update(results, name, performance.measure(name))
        performance.store(results)
    if luts:
        results["components"] = {name: component_luts(name, BOARD) for name in COMPONENTS}
    if choices:
        from .choices import explore

        results["choices"] = explore(only or ("vgg16",), console)
    if rtl:
        from .rtl import check

        for name in only or WORKLOADS:
            with console.status(f"{name}, RTL"):
                results[name] |= check(name)
            performance.store(results)
    if model:
        cycle_model.main()
    if build:
        performance.build_board(results)
    performance.store(results)
    built = {name: record["verilog_sha256"] for name, record in results.items() if "verilog_sha256" in record}
    if built and set(built.values()) != {performance.verilog_hash(BOARD)}:
        console.print(
            f"{', '.join(built)}: clock and LUTs are those of an older Verilog; --build makes them anew"
        )
    for table in page.tables(results):
        console.print(page.to_rich(table))
    page.PAGE.write_text(page.page_with(page.PAGE.read_text(), page.tables(results)))
    console.print(f"{performance.RESULT.name} and {page.PAGE.name} are written")


if __name__ == "__main__":
    main()
