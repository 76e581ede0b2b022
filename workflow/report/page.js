// What Snakemake's report page lacks: captions beside what they are on, a search that reads labels and captions and not
// paths alone, and the rule graph only when it is asked for.
{
    const textOf = html => new DOMParser().parseFromString(html || "", "text/html").body.textContent;
    const labelOf = result => Object.values(result.labels || {}).join(" ");

    SearchResults.prototype.getResults = function () {
        const term = this.props.searchTerm || "";
        const pattern = term.startsWith("re:") ? new RegExp(term.slice(3), "im") : null;
        const fits = text => pattern ? pattern.test(text) : text.toLowerCase().includes(term.toLowerCase());
        return Object.entries(results).filter(([path, result]) =>
            fits([path, labelOf(result), textOf(result.caption)].join("\n")));
    };

    // A list shows what it was first made for: each search has a list of its own.
    const listed = Navbar.prototype.renderContent;
    Navbar.prototype.renderContent = function () {
        const { navbarMode, searchTerm, category, subcategory } = this.props.app.state;
        return React.cloneElement(listed.call(this), { key: [navbarMode, searchTerm, category, subcategory].join() });
    };

    class Rules extends React.Component {
        constructor(props) {
            super(props);
            this.state = { asked: false };
        }

        render() {
            if (this.state.asked) return e(RuleGraph, { setView: this.props.setView });
            const ask = () => this.setState({ asked: true });
            return e("button", { className: "ask", onClick: ask }, "Show how the rules depend on each other");
        }
    }

    const shown = ContentDisplay.prototype.renderContent;
    ContentDisplay.prototype.renderContent = function () {
        const { content, resultPath } = this.props.app.state;
        if (content === "rulegraph") {
            const text = { className: "prose prose-sm max-w-lg", dangerouslySetInnerHTML: { __html: workflow_desc } };
            return e("div", { className: "opening" }, e("div", text), e(Rules, { setView: this.props.app.setView }));
        }
        const result = results[resultPath];
        if (!result || !["img", "html"].includes(content)) return shown.call(this);
        const caption = { className: "prose prose-sm caption", dangerouslySetInnerHTML: { __html: result.caption } };
        return e("div", { className: `result ${content}` }, e("h2", {}, labelOf(result)), e("div", caption), shown.call(this));
    };

    // A link of the opening page shows a result.
    window.showResult = path => {
        new ToggleViewManager(app).handleSelectedResult(path);
        window.scrollTo(0, 0);
    };

    const redraw = () => app === undefined ? setTimeout(redraw, 10) : app.forceUpdate();
    redraw();
}
