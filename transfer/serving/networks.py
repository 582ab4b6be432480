"""The network that a head stands on, as one graph from an image to what the head takes."""

from dataclasses import replace

from transfer.heads.methods import tail
from transfer.nets import graphs


def opened(head, folder, layers, size, batch, precision="f32"):
    """(ov.Model, trained.Head): the sub-graph that graphs.open_pooled opens in `folder` with the
    other arguments, and `head`; of a fine-tuned network its own tail follows, and the head is what
    is left: a dense layer."""
    graph = graphs.open_pooled(folder, layers, size, batch, precision)
    if head.kind != "finetune":
        return graph, head
    return tail.joined(graph, head.arrays), dense(head)


def dense(head):
    """The head of a fine-tuned network without the network."""
    return replace(head, kind="softmax", arrays=tail.dense(head.arrays))
