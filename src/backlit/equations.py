"""The registry of equations: each number stands for one formula, one sentence and one source.

A comment `# [BP2]` ends the line of `core/` or `optim/` that computes the equation, a derivation quotes it, and
`tests/test_equations.py` holds that the two agree.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Equation:
    """One numbered formula."""

    id: str
    latex: str
    sentence: str
    source: str


def numbered(*equations: Equation) -> dict[str, Equation]:
    """Index equations by their number."""
    return {equation.id: equation for equation in equations}


BOOK = "Goodfellow, Bengio & Courville 2016, Deep Learning, section 6.5"
NIELSEN = "Nielsen 2015, Neural Networks and Deep Learning, chapter 2"
BATCH_NORM = "Ioffe & Szegedy 2015"
LAYER_NORM = "Ba, Kiros & Hinton 2016"
DROPOUT = "Srivastava et al. 2014"
RESIDUAL = "He et al. 2016"

FORWARD = numbered(
    Equation(
        "F1",
        r"z_l = W_l\, a_{l-1} + b_l",
        "The pre-activation is the weighted sum of the layer's inputs plus its bias.",
        NIELSEN,
    ),
    Equation("F2", r"h_l = \varphi_l(u_l)", "The activation function is applied to each unit.", NIELSEN),
    Equation(
        "DO1",
        r"r_l = h_l \odot \mathrm{mask}_l,\quad \mathrm{mask} \in \{0, 1/(1-p)\}",
        "Dropout sets a unit to 0 with probability p and scales the others up, so that the mean stays.",
        DROPOUT,
    ),
    Equation("SK1", r"a_l = r_l + s\, a_k", "A skip adds the activation of an earlier layer, scaled.", RESIDUAL),
    Equation(
        "C1",
        r"C = \sum_i \omega_i\, \ell_i,\quad \omega_i = 1/m",
        "The cost is the mean of the examples' losses (weighted by the sample weights, or summed, where asked).",
        BOOK,
    ),
    Equation(
        "L2",
        r"C \mathrel{+}= \tfrac{\lambda}{2} \sum_l \lVert W_l \rVert^2",
        "L2 regularization adds half of λ times the squared length of all weights; biases are left out.",
        "Goodfellow, Bengio & Courville 2016, section 7.1",
    ),
)

BACKWARD = numbered(
    Equation(
        "BP1",
        r"\frac{\partial \ell}{\partial a_L} = \nabla_{a} \ell(a_L, y)",
        "Backpropagation starts with the slope of the loss at the output; through φ' it becomes δ at the output.",
        NIELSEN,
    ),
    Equation(
        "BP1S",
        r"\frac{\partial \ell}{\partial u_L} = p - y",
        "For a matched pair of output activation and loss, the slope at the scores is prediction minus target.",
        "Bishop 2006, Pattern Recognition and Machine Learning, section 4.3",
    ),
    Equation(
        "BP2",
        r"\delta_l = \frac{\partial \ell}{\partial h_l} \odot \varphi_l'(u_l)",
        "Going back through the activation multiplies by its slope at u.",
        NIELSEN,
    ),
    Equation(
        "BP2S",
        r"\delta = J^{\mathsf T} \frac{\partial \ell}{\partial p},\quad J = \mathrm{diag}(p) - p\,p^{\mathsf T}",
        "Softmax mixes the units, so going back multiplies by its transposed Jacobian.",
        BOOK,
    ),
    Equation(
        "BP3",
        r"\frac{\partial C}{\partial b_l} = \sum_i \omega_i\, \delta_{l,i}",
        "The gradient of a bias is the mean of its unit's δ over the examples.",
        NIELSEN,
    ),
    Equation(
        "BP4",
        r"\frac{\partial C}{\partial W_l} = \sum_i \omega_i\, \delta_{l,i}\, a_{l-1,i}^{\mathsf T}",
        "The gradient of a weight is the mean of δ at its upper end times a at its lower end.",
        NIELSEN,
    ),
    Equation(
        "BP5",
        r"\frac{\partial \ell}{\partial a_{l-1}} = W_l^{\mathsf T}\, \delta_l",
        "The same weights, transposed, carry δ down to the activations of the layer below.",
        NIELSEN,
    ),
    Equation(
        "L2G",
        r"\frac{\partial C}{\partial W_l} \mathrel{+}= \lambda W_l",
        "L2 regularization pulls each weight towards 0 in proportion to itself.",
        "Goodfellow, Bengio & Courville 2016, section 7.1",
    ),
    Equation(
        "DO2",
        r"\frac{\partial \ell}{\partial h_l} = \frac{\partial \ell}{\partial r_l} \odot \mathrm{mask}_l",
        "What was dropped gets no gradient; the rest is scaled as on the way up.",
        DROPOUT,
    ),
    Equation(
        "SK2",
        r"\frac{\partial \ell}{\partial a_k} \mathrel{+}= s\, \frac{\partial \ell}{\partial a_l}",
        "A skip hands the gradient straight down to the layer that it came from.",
        RESIDUAL,
    ),
)

NORMS = numbered(
    Equation("BN1", r"\mu_j = \tfrac1m \sum_i z_{ij}", "The mean of a unit over the batch.", BATCH_NORM),
    Equation("BN2", r"\sigma_j^2 = \tfrac1m \sum_i (z_{ij} - \mu_j)^2", "Its variance over the batch.", BATCH_NORM),
    Equation(
        "BN3", r"\hat x = (z - \mu)/\sqrt{\sigma^2 + \varepsilon}", "Mean 0, variance 1 over the batch.", BATCH_NORM
    ),
    Equation("BN4", r"u = \gamma \odot \hat x + \beta", "A learned scale and shift for each unit.", BATCH_NORM),
    Equation(
        "BN5",
        r"\bar\mu \leftarrow \bar\mu + 0.1\,(\mu - \bar\mu)",
        "The running mean, used for prediction, follows the batches' means.",
        BATCH_NORM,
    ),
    Equation(
        "BN6",
        r"\bar\sigma^2 \leftarrow \bar\sigma^2 + 0.1\,\bigl(\tfrac{m}{m-1} \sigma^2 - \bar\sigma^2\bigr)",
        "The running variance follows the batches' unbiased variances.",
        BATCH_NORM,
    ),
    Equation(
        "BN7",
        r"\frac{\partial \ell}{\partial \hat x} = \gamma \odot \frac{\partial \ell}{\partial u}",
        "Back through the scale.",
        BATCH_NORM,
    ),
    Equation(
        "BN8",
        r"\delta = \frac{1}{\sqrt{\sigma^2 + \varepsilon}} \Bigl(g - \overline{g} - \hat x \odot \overline{\hat x \odot"
        r" g}\Bigr),\; g = \frac{\partial \ell}{\partial \hat x}",
        "Each z moves its own x̂ and, through μ and σ, the others of the batch: two means are taken off (bars: over the "
        "batch).",
        BATCH_NORM,
    ),
    Equation(
        "BN9",
        r"\frac{\partial C}{\partial \gamma} = \sum_i \omega_i\, \frac{\partial \ell}{\partial u_i} \odot \hat x_i",
        "The gradient of the scale.",
        BATCH_NORM,
    ),
    Equation(
        "BN10",
        r"\frac{\partial C}{\partial \beta} = \sum_i \omega_i\, \frac{\partial \ell}{\partial u_i}",
        "The gradient of the shift.",
        BATCH_NORM,
    ),
    Equation("LN1", r"\mu_i = \tfrac1n \sum_j z_{ij}", "The mean of an example over the units.", LAYER_NORM),
    Equation("LN2", r"\sigma_i^2 = \tfrac1n \sum_j (z_{ij} - \mu_i)^2", "Its variance over the units.", LAYER_NORM),
    Equation(
        "LN3", r"\hat x = (z - \mu)/\sqrt{\sigma^2 + \varepsilon}", "Mean 0, variance 1 over the units.", LAYER_NORM
    ),
    Equation("LN4", r"u = \gamma \odot \hat x + \beta", "A learned scale and shift for each unit.", LAYER_NORM),
    Equation(
        "LN5",
        r"\frac{\partial \ell}{\partial \hat x} = \gamma \odot \frac{\partial \ell}{\partial u}",
        "Back through the scale.",
        LAYER_NORM,
    ),
    Equation(
        "LN6",
        r"\delta = \frac{1}{\sqrt{\sigma^2 + \varepsilon}} \Bigl(g - \overline{g} - \hat x \odot \overline{\hat x \odot"
        r" g}\Bigr),\; g = \frac{\partial \ell}{\partial \hat x}",
        "Each z moves its own x̂ and, through μ and σ, the other units of its example: two means are taken off (bars: "
        "over the units).",
        LAYER_NORM,
    ),
    Equation(
        "LN7",
        r"\frac{\partial C}{\partial \gamma} = \sum_i \omega_i\, \frac{\partial \ell}{\partial u_i} \odot \hat x_i",
        "The gradient of the scale.",
        LAYER_NORM,
    ),
    Equation(
        "LN8",
        r"\frac{\partial C}{\partial \beta} = \sum_i \omega_i\, \frac{\partial \ell}{\partial u_i}",
        "The gradient of the shift.",
        LAYER_NORM,
    ),
)

ADAM = "Kingma & Ba 2015"
MOMENTUM = "Sutskever et al. 2013"
RMSPROP = "Tieleman & Hinton 2012"

UPDATES = numbered(
    Equation("OPT-SGD1", r"\Delta\theta = -\eta\, g", "A step against the gradient.", BOOK),
    Equation(
        "OPT-SGD2",
        r"v \leftarrow \rho_1 v - \eta g,\; \Delta\theta = v",
        "The velocity remembers past steps and decays by the momentum.",
        MOMENTUM,
    ),
    Equation(
        "OPT-SGD3", r"\Delta\theta = \rho_1 v - \eta g", "Nesterov's step looks one velocity further ahead.", MOMENTUM
    ),
    Equation("OPT-ADAGRAD1", r"s \leftarrow s + g^2", "Squares of the gradient are summed.", "Duchi et al. 2011"),
    Equation(
        "OPT-ADAGRAD2",
        r"\Delta\theta = -\eta\, g / (\sqrt{s} + \tau)",
        "Each parameter's rate falls with the squares that it has seen.",
        "Duchi et al. 2011",
    ),
    Equation(
        "OPT-RMSPROP1", r"s \leftarrow \rho_2 s + (1 - \rho_2)\, g^2", "A running mean of squared gradients.", RMSPROP
    ),
    Equation("OPT-RMSPROP2", r"d = g / (\sqrt{s} + \tau)", "The gradient over its root mean square.", RMSPROP),
    Equation(
        "OPT-RMSPROP3",
        r"v \leftarrow \rho_1 v + d,\; \Delta\theta = -\eta v",
        "With momentum, directions are summed with decay.",
        RMSPROP,
    ),
    Equation(
        "OPT-ADAM1", r"\bar g \leftarrow \rho_1 \bar g + (1 - \rho_1)\, g", "A running mean of the gradient.", ADAM
    ),
    Equation("OPT-ADAM2", r"v \leftarrow \rho_2 v + (1 - \rho_2)\, g^2", "A running mean of its square.", ADAM),
    Equation(
        "OPT-AMSGRAD",
        r"v_{\max} \leftarrow \max(v_{\max}, v)",
        "AMSGrad divides by the largest mean square seen; plain Adam by the newest.",
        "Reddi, Kale & Kumar 2018",
    ),
    Equation("OPT-ADAM3", r"\hat v = v / (1 - \rho_2^t)", "Undo the pull of the start at 0.", ADAM),
    Equation(
        "OPT-ADAM4",
        r"\Delta\theta = -\eta\, \frac{\bar g / (1 - \rho_1^t)}{\sqrt{\hat v} + \tau}",
        "The step is the mean over the root mean square.",
        ADAM,
    ),
    Equation(
        "OPT-ADAMW",
        r"\Delta\theta \mathrel{-}= \eta \kappa \theta",
        "Weight decay acts on the parameters directly, not through the gradient.",
        "Loshchilov & Hutter 2019",
    ),
    Equation(
        "OPT-CLIP1",
        r"g \leftarrow g \cdot \min(1, c / \lVert g \rVert)",
        "A gradient longer than c is shortened to c; its direction stays.",
        "Pascanu, Mikolov & Bengio 2013",
    ),
    Equation(
        "OPT-CLIP2",
        r"g \leftarrow \min(\max(g, -c), c)",
        "Each entry is bounded by ±c, which may turn the direction.",
        "Pascanu, Mikolov & Bengio 2013",
    ),
)

SCHEDULES = numbered(
    Equation("SCH-STEP", r"\rho^{\lfloor t/k \rfloor}", "The rate falls by ρ every k.", BOOK),
    Equation("SCH-EXP", r"\rho^{t}", "The rate falls by ρ each time.", BOOK),
    Equation("SCH-INV", r"(1 + s\,t)^{-p}", "The rate falls as a power of time.", "Robbins & Monro 1951"),
    Equation(
        "SCH-COS",
        r"f + (1 - f)\,\tfrac12 (1 + \cos \pi x),\; x = t/T",
        "Half a cosine from 1 to the floor f.",
        "Loshchilov & Hutter 2017",
    ),
    Equation(
        "SCH-ONE1", r"s + (1 - s)\,\tfrac12 (1 - \cos \pi x)", "One cycle: first from s up to 1.", "Smith & Topin 2018"
    ),
    Equation(
        "SCH-ONE2", r"e + (1 - e)\,\tfrac12 (1 + \cos \pi x)", "One cycle: then from 1 down to e.", "Smith & Topin 2018"
    ),
    Equation("SCH-WARM", r"(t + 1)/(k + 1)", "A straight rise over the first k.", "Goyal et al. 2017"),
    Equation(
        "SCH-PLATEAU",
        r"f \leftarrow \max(\rho f, f_{\min})",
        "The factor falls by ρ when the metric has stopped improving.",
        "the field's usage; PyTorch's ReduceLROnPlateau",
    ),
)

EQUATIONS: dict[str, Equation] = FORWARD | BACKWARD | NORMS | UPDATES | SCHEDULES
