"""What training makes small."""

from torch.nn import functional

__all__ = ["training_loss"]


def training_loss(settings, logits, labels, teacher_logits=None):
    """Mean loss of a batch: cross entropy with smoothed labels and, with a teacher, the distance from its answers.

    Parameters
    ----------
    settings : TrainingSettings
    logits, teacher_logits : Tensor
        [n, classes]; the teacher's if ``settings.distillation`` is set.
    labels : Tensor
        int64 [n].
    """
    loss = functional.cross_entropy(logits, labels, label_smoothing=settings.smoothing)
    if teacher_logits is None:
        return loss
    weight, temperature = settings.distillation.weight, settings.distillation.temperature
    distance = functional.kl_div(
        functional.log_softmax(logits / temperature, 1),
        functional.log_softmax(teacher_logits / temperature, 1),
        reduction="batchmean",
        log_target=True,
    )
    # Gradients of softened distributions shrink with the square of the temperature (section 2 of the paper).
    return (1 - weight) * loss + weight * temperature**2 * distance
