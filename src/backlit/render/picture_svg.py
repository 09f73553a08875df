"""A picture as SVG that takes its colors from the page it stands in; it fetches nothing."""

from html import escape

from backlit.render.picture import Group, Mark, Picture, Shape, Stroke, Word


def svg(picture: Picture, id: str) -> str:
    """An <svg> element; `id` keeps its own ids apart from those of other drawings on the page."""
    w, h = f"{picture.width:.0f}", f"{picture.height:.0f}"
    role = "group" if any(isinstance(m, Group) and m.link for m in picture.marks) else "img"
    head = (
        f'<svg viewBox="0 0 {w} {h}" style="max-width:{w}px" class="drawing" role="{role}" '
        f'aria-labelledby="{id}-t {id}-d">'
        f'<title id="{id}-t">{escape(picture.title)}</title><desc id="{id}-d">{escape(picture.description)}</desc>'
        f'<defs><marker id="{id}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto" markerUnits="userSpaceOnUse"><path d="M0 0L8 4L0 8z" class="f-soft"/></marker></defs>'
    )
    return head + "".join(mark_svg(mark, id) for mark in picture.marks) + "</svg>"


def mark_svg(mark: Mark, id: str) -> str:
    """One mark."""
    match mark:
        case Group():
            inner = "".join(mark_svg(m, id) for m in mark.marks)
            return f'<a href="#{escape(mark.link)}">{inner}</a>' if mark.link else inner
        case Stroke():
            return stroke_svg(mark, id)
        case Shape():
            return shape_svg(mark)
        case Word():
            return word_svg(mark)


def px(*numbers: float) -> str:
    """Coordinates to a tenth of a px, as short as they go."""
    return " ".join(f"{n:.1f}".removesuffix(".0") for n in numbers)


def stroke_svg(mark: Stroke, id: str) -> str:
    """A path."""
    first, *rest = (px(*point) for point in mark.points)
    way = f"C{' '.join(rest)}" if mark.curved else "L" + "L".join(rest)
    dash = ' stroke-dasharray="5 4"' if mark.dashed else ""
    tip = f' marker-end="url(#{id}-tip)"' if mark.tip else ""
    return f'<path d="M{first}{way}" class="s-{mark.hue}" stroke-width="{px(mark.width)}"{dash}{tip}/>'


def shape_svg(mark: Shape) -> str:
    """A circle or a box."""
    (x, y), (w, h) = mark.at, mark.size
    look = f'class="s-{mark.hue} f-{mark.fill}"' + (' stroke-dasharray="2 2"' if mark.dashed else "")
    if mark.round:
        return f'<circle cx="{px(x)}" cy="{px(y)}" r="{px(w / 2)}" {look}/>'
    return f'<rect x="{px(x - w / 2)}" y="{px(y - h / 2)}" width="{px(w)}" height="{px(h)}" rx="6" {look}/>'


def word_svg(mark: Word) -> str:
    """A line of text."""
    anchor = "" if mark.anchor == "middle" else f' style="text-anchor:{mark.anchor}"'
    size = "" if mark.size == 11 else f' font-size="{px(mark.size)}"'
    look = f"f-{mark.hue} halo" if mark.halo else f"f-{mark.hue}"
    return f'<text x="{px(mark.at[0])}" y="{px(mark.at[1])}" class="{look}"{anchor}{size}>{escape(mark.text)}</text>'
