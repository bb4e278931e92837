"""A linear-chain CRF over the well-formed tag sequences of a scheme, for whole batches at once."""

from typing import List, Tuple

import torch
from torch import Tensor, nn

from joint_ner_re.tag_codec import TagCodec

# exp(IMPOSSIBLE) is 0 in every float type, and sums of a few of them stay finite in all.
IMPOSSIBLE = -1e4


class ConstrainedCrf(nn.Module):
    """Scores, decodes and gives the probabilities of tag sequences (Lafferty et al. 2001).

    The distribution is over the scheme's well-formed sequences only: an ill-formed one has
    probability zero in training, in decoding, and in the probability of a span. (AllenNLP's CRF
    constrains its decoding alone, so that its probabilities leak to sequences it never returns.)

    All methods take padded batches whose real tokens come first.

    # Parameters

    codec : `TagCodec`
        The tags and which may follow which.
    """

    _no_transition: Tensor
    _no_start: Tensor
    _no_end: Tensor
    _joins: Tensor

    def __init__(self, codec: TagCodec) -> None:
        super().__init__()
        tags = codec.tags
        self.transitions = nn.Parameter(torch.empty(len(tags), len(tags)))
        self.start = nn.Parameter(torch.empty(len(tags)))
        self.end = nn.Parameter(torch.empty(len(tags)))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.1)

        def table(rows: object) -> Tensor:
            return torch.tensor(rows, dtype=torch.bool)

        # Derived from the tags, so they are rebuilt rather than kept in the archive.
        self.register_buffer(
            "_no_transition",
            ~table([[codec.may_follow(before, tag) for tag in tags] for before in tags]),
            persistent=False,
        )
        self.register_buffer(
            "_no_start", ~table([codec.may_start(tag) for tag in tags]), persistent=False
        )
        self.register_buffer(
            "_no_end", ~table([codec.may_end(tag) for tag in tags]), persistent=False
        )
        self.register_buffer(
            "_joins",
            table([[codec.joins(before, tag) for tag in tags] for before in tags]),
            persistent=False,
        )

    def _constrained(self) -> Tuple[Tensor, Tensor, Tensor]:
        return (
            self.transitions.masked_fill(self._no_transition, IMPOSSIBLE),
            self.start.masked_fill(self._no_start, IMPOSSIBLE),
            self.end.masked_fill(self._no_end, IMPOSSIBLE),
        )

    def log_likelihood(self, scores: Tensor, mask: Tensor, tags: Tensor) -> Tensor:
        """The log probability of each sentence's tags.

        # Parameters

        scores : `Tensor`
            Shape: (batch, length, tags).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens.
        tags : `Tensor`
            Shape: (batch, length), well-formed at real tokens.

        # Returns

        `Tensor`
            Shape: (batch,); 0 for a sentence without a token.
        """
        transitions, start, end = self._constrained()
        # Shape: (batch, length)
        path = self._path_scores(scores, mask, tags, transitions, start)
        last = (mask.sum(dim=1) - 1).clamp(min=0)
        # Shape: (batch,)
        numerator = path.sum(dim=1) + end[tags.gather(1, last.unsqueeze(1)).squeeze(1)]
        # Shape: (batch,)
        denominator = (self._forward(scores, mask, transitions, start)[-1] + end).logsumexp(dim=1)
        return (numerator - denominator) * mask[:, 0]

    @staticmethod
    def _path_scores(
        scores: Tensor, mask: Tensor, tags: Tensor, transitions: Tensor, start: Tensor
    ) -> Tensor:
        """What each token adds to the score of the path through `tags`; 0 at padding."""
        # Shape: (batch, length)
        emitted = scores.gather(2, tags.unsqueeze(2)).squeeze(2)
        entered = torch.cat([start[tags[:, :1]], transitions[tags[:, :-1], tags[:, 1:]]], dim=1)
        return (emitted + entered) * mask

    @staticmethod
    def _forward(scores: Tensor, mask: Tensor, transitions: Tensor, start: Tensor) -> List[Tensor]:
        """Per position the log sums over all paths that end there in each tag.

        Past a sentence's end the last sums are carried on. Each of shape (batch, tags).
        """
        sums = [start + scores[:, 0]]
        for position in range(1, scores.size(1)):
            # Shape: (batch, tags before, tags)
            paths = sums[-1].unsqueeze(2) + transitions
            step = paths.logsumexp(dim=1) + scores[:, position]
            sums.append(torch.where(mask[:, position, None], step, sums[-1]))
        return sums

    @staticmethod
    def _backward(scores: Tensor, mask: Tensor, transitions: Tensor, end: Tensor) -> List[Tensor]:
        """Per position the log sums over all ways to go on from each tag there.

        Each of shape (batch, tags).
        """
        sums = [end.expand(scores.size(0), -1)]
        for position in range(scores.size(1) - 1, 0, -1):
            # Shape: (batch, tags, tags after)
            paths = transitions + (scores[:, position] + sums[-1]).unsqueeze(1)
            sums.append(torch.where(mask[:, position, None], paths.logsumexp(dim=2), sums[-1]))
        return sums[::-1]

    def viterbi(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The most probable tags.

        # Parameters

        scores : `Tensor`
            Shape: (batch, length, tags).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens.

        # Returns

        `Tensor`
            Shape: (batch, length), well-formed at real tokens and 0 (`"O"`) at padding.
        """
        transitions, start, end = self._constrained()
        # No score outweighs a constraint here: nothing is differentiated, so infinity is safe.
        transitions = transitions.masked_fill(self._no_transition, -torch.inf)
        best = start.masked_fill(self._no_start, -torch.inf) + scores[:, 0]
        pointers = []
        # At padding every tag points to itself, so that the last real tag is carried to the end.
        itself = torch.arange(scores.size(2), device=scores.device).expand_as(best)
        for position in range(1, scores.size(1)):
            # Shape of each: (batch, tags)
            step, pointer = (best.unsqueeze(2) + transitions).max(dim=1)
            real = mask[:, position, None]
            best = torch.where(real, step + scores[:, position], best)
            pointers.append(torch.where(real, pointer, itself))
        # Shape: (batch, 1)
        tag = (best + end.masked_fill(self._no_end, -torch.inf)).argmax(dim=1, keepdim=True)
        path = [tag]
        for pointer in reversed(pointers):
            tag = pointer.gather(1, tag)
            path.append(tag)
        return torch.cat(path[::-1], dim=1) * mask

    def span_probabilities(
        self, scores: Tensor, mask: Tensor, tags: Tensor, starts: Tensor, ends: Tensor
    ) -> Tensor:
        """The probability that an entity of `tags` stands in a sentence: begins, is typed and
        ends just so, summed over all that may stand around it (forward-backward).

        # Parameters

        scores : `Tensor`
            Shape: (batch, length, tags).
        mask : `Tensor`
            Shape: (batch, length), true at real tokens.
        tags : `Tensor`
            Shape: (batch, length), the tags that hold the entities.
        starts : `Tensor`
            Shape: (batch, entities), first token of each; any valid position at padding.
        ends : `Tensor`
            Shape: (batch, entities), the token after the last; 1 or more at padding.

        # Returns

        `Tensor`
            Shape: (batch, entities), in [0, 1].
        """
        transitions, start, end = self._constrained()
        # Shape of each: (batch, length, tags)
        forward = torch.stack(self._forward(scores, mask, transitions, start), dim=1)
        backward = torch.stack(self._backward(scores, mask, transitions, end), dim=1)
        # Shape: (batch,)
        total = (forward[:, -1] + end).logsumexp(dim=1)
        leave = self._leave(scores, mask, transitions, end, backward)
        # Shape: (batch, length)
        path = self._path_scores(scores, mask, tags, transitions, start).cumsum(dim=1)
        lasts = ends - 1
        # Shape of each: (batch, entities)
        before = _at(forward, starts, tags)
        inside = path.gather(1, lasts) - path.gather(1, starts)
        after = _at(leave, lasts, tags)
        return (before + inside + after - total.unsqueeze(1)).exp().clamp(max=1.0)

    def _leave(
        self, scores: Tensor, mask: Tensor, transitions: Tensor, end: Tensor, backward: Tensor
    ) -> Tensor:
        """Per position the log sums over all ways to go on that end the entity there.

        Under BIO a tag may be followed by one that carries its entity on, which `backward` must
        not count. Shape: (batch, length, tags).
        """
        leaving = transitions.masked_fill(self._joins, IMPOSSIBLE)
        # Shape: (batch, length - 1, tags after)
        onwards = scores[:, 1:] + backward[:, 1:]
        # Shape: (batch, length - 1, tags)
        left = (leaving + onwards.unsqueeze(2)).logsumexp(dim=3)
        left = torch.where(mask[:, 1:, None], left, end)
        return torch.cat([left, end.expand_as(left[:, :1]) if left.size(1) else backward[:, :1]], 1)


def _at(values: Tensor, positions: Tensor, tags: Tensor) -> Tensor:
    """`values[b, p, tags[b, p]]` for every position p. Shape: (batch, positions)."""
    at_tags = values.gather(2, tags.unsqueeze(2)).squeeze(2)
    return at_tags.gather(1, positions)
