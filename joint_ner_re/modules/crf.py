"""A linear-chain CRF over the well-formed tag sequences of a scheme, for whole batches at once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from joint_ner_re.modules.encoders import reversal
from joint_ner_re.tag_codec import TagCodec

# Lower bound for scores, relative to the best score of their token. e**MIN_SCORE is negligible in
# any float type, and the product of a few of them is still above 0 in double precision.
MIN_SCORE = -200.0


class ConstrainedCrf(nn.Module):
    """Likelihood, decoding and span probabilities of tag sequences (Lafferty et al. 2001).

    The distribution covers the scheme's well-formed sequences only: an ill-formed one has
    probability zero in training, in decoding, and in the probability of a span. (AllenNLP's CRF
    only constrains decoding, so that it spends probability on sequences that it never returns.)

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

        # Derived from the tags, so they are not saved in the archive.
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

    def _constrained(self) -> tuple[Tensor, Tensor, Tensor]:
        return (
            self.transitions.masked_fill(self._no_transition, -torch.inf),
            self.start.masked_fill(self._no_start, -torch.inf),
            self.end.masked_fill(self._no_end, -torch.inf),
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
        # Shape: (batch,)
        path = self._path_scores(scores, mask, tags, transitions, start).sum(dim=1)
        path = path + end[tags.gather(1, _last(mask)).squeeze(1)]
        total = _LogPartition.apply(scores, mask, transitions, start, end)
        return torch.where(mask[:, 0], path - total, torch.zeros_like(path))

    @staticmethod
    def _path_scores(
        scores: Tensor, mask: Tensor, tags: Tensor, transitions: Tensor, start: Tensor
    ) -> Tensor:
        """What each token adds to the score of the path through `tags`; 0 at padding."""
        # Shape: (batch, length)
        emitted = scores.gather(2, tags.unsqueeze(2)).squeeze(2)
        entered = torch.cat([start[tags[:, :1]], transitions[tags[:, :-1], tags[:, 1:]]], dim=1)
        return torch.where(mask, emitted + entered, torch.zeros_like(emitted))

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
        # Shape: (tags after, tags before)
        entering = transitions.t().contiguous()
        first, *others = scores.unbind(1)
        best = [start + first]
        found = []
        for score in others:
            step, pointer = (best[-1].unsqueeze(1) + entering).max(dim=2)
            best.append(step + score)
            found.append(pointer)
        # Shape: (batch, 1, tags)
        last = _last(mask).unsqueeze(2).expand(-1, -1, scores.size(2))
        # Shape: (batch, 1)
        tag = (torch.stack(best, dim=1).gather(1, last).squeeze(1) + end).argmax(1, keepdim=True)
        path = [tag]
        if found:
            # At padding every tag points to itself, so that the path starts at the last real tag.
            itself = torch.arange(scores.size(2), device=scores.device)
            pointers = torch.where(mask.t()[1:].unsqueeze(2), torch.stack(found), itself)
            for pointer in reversed(pointers.unbind(0)):
                tag = pointer.gather(1, tag)
                path.append(tag)
        return torch.cat(path[::-1], dim=1) * mask

    @torch.no_grad()
    def span_probabilities(
        self, scores: Tensor, mask: Tensor, tags: Tensor, starts: Tensor, ends: Tensor
    ) -> Tensor:
        """The probability that an entity of exactly this span and type is in the sentence.

        It is summed over all tags that may surround the entity (forward-backward).

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
        sums = _Sums.of(scores, mask, transitions, start, end)
        # Shape: (batch, length)
        # In double precision: over a long sentence, single precision loses digits.
        path = self._path_scores(scores, mask, tags, transitions, start).double().cumsum(dim=1)
        lasts = ends - 1
        # Shape of each: (batch, entities)
        before = sums.up_to(starts, tags.gather(1, starts))
        inside = path.gather(1, lasts) - path.gather(1, starts)
        # Under BIO a tag that continues the entity may follow, but not after the entity's end.
        leaving = transitions.masked_fill(self._joins, -torch.inf)
        after = sums.onwards_from(lasts, tags.gather(1, lasts), leaving, end)
        probabilities = (before + inside + after - sums.total(end).unsqueeze(1)).exp()
        return probabilities.clamp(max=1.0).to(scores.dtype)


class _Sums(NamedTuple):
    """Sums over paths (the forward-backward algorithm), in double precision.

    Each token's sums are divided by their total, whose logarithm is kept, so that matrix products
    replace logarithms of sums of exponentials (Rabiner 1989, section V.A). Values at padding have
    no meaning.

    # Parameters

    mask : `Tensor`
        Shape: (batch, length).
    until : `Tensor`
        Over all paths that end in this tag here. Shape: (batch, length, tags).
    until_scale : `Tensor`
        Log of what `until` was divided by. Shape: (batch, length, 1).
    since : `Tensor`
        Over all paths that start with this tag here, including its own score. As `until`.
    since_scale : `Tensor`
        As `until_scale`.
    """

    mask: Tensor
    until: Tensor
    until_scale: Tensor
    since: Tensor
    since_scale: Tensor

    @classmethod
    def of(
        cls, scores: Tensor, mask: Tensor, transitions: Tensor, start: Tensor, end: Tensor
    ) -> "_Sums":
        """The sums of these scores; impossible transitions are -inf."""
        scores = scores.double()
        # Shape: (batch, length, 1)
        peaks = scores.max(dim=2, keepdim=True).values
        weights = (scores - peaks).clamp(min=MIN_SCORE).exp()
        # The second direction reads each sentence from its end. Shape: (batch, length, 1)
        order = reversal(mask).unsqueeze(2)
        back = order.expand_as(scores)
        # Shape of each: (length, 2, batch, tags or 1)
        both = torch.stack([weights, weights.gather(1, back)]).transpose(0, 2).transpose(1, 2)
        states = torch.empty_like(both, memory_format=torch.contiguous_format)
        scales = states[..., :1].clone()
        # Shape: (2, tags, tags)
        matrices = torch.stack([transitions, transitions.t()]).double().exp()
        # Shape: (2, 1, tags)
        coming = torch.stack([start, end]).double().exp().unsqueeze(1)
        for weight, state, scale in zip(both.unbind(0), states.unbind(0), scales.unbind(0)):
            torch.mul(coming, weight, out=state)
            torch.sum(state, dim=2, keepdim=True, out=scale)
            coming = torch.bmm(state.div_(scale), matrices)
        # Shape of each: (2, batch, length, tags or 1)
        states, scales = (t.permute(1, 2, 0, 3) for t in (states, scales.log_()))
        peaks = torch.stack([peaks, peaks.gather(1, order)])
        logs = (scales + peaks).cumsum(dim=2)
        return cls(mask, states[0], logs[0], states[1].gather(1, back), logs[1].gather(1, order))

    def onwards(self, transitions: Tensor, end: Tensor) -> Tensor:
        """Log sums over all ways to continue from each tag. Shape: (batch, length, tags)."""
        sums = self.since[:, 1:] @ transitions.double().exp().t()
        logs = sums.log() + self.since_scale[:, 1:]
        ends = end.double().expand_as(self.until[:, :1])
        return torch.cat([torch.where(self.mask[:, 1:, None], logs, ends), ends], dim=1)

    def up_to(self, positions: Tensor, tags: Tensor) -> Tensor:
        """Log sums over all paths to these tags at these positions. Shape: (batch, positions)."""
        until = self.until.gather(1, positions.unsqueeze(2).expand(-1, -1, self.until.size(2)))
        scale = self.until_scale.squeeze(2).gather(1, positions)
        return until.gather(2, tags.unsqueeze(2)).squeeze(2).log() + scale

    def onwards_from(
        self, positions: Tensor, tags: Tensor, transitions: Tensor, end: Tensor
    ) -> Tensor:
        """`onwards` at these positions and tags only. Shape: (batch, positions).

        Sentences have few entities: computing it for all tags would take longer.
        """
        nexts = positions + 1
        is_last = nexts >= self.mask.sum(dim=1, keepdim=True)
        nexts = nexts.clamp(max=self.since.size(1) - 1)
        since = self.since.gather(1, nexts.unsqueeze(2).expand(-1, -1, self.since.size(2)))
        # Shape: (batch, positions)
        sums = (since * transitions.double().exp()[tags]).sum(dim=2)
        logs = sums.log() + self.since_scale.squeeze(2).gather(1, nexts)
        return torch.where(is_last, end.double()[tags], logs)

    def total(self, end: Tensor) -> Tensor:
        """Log sum over all paths. Shape: (batch,)."""
        last = _last(self.mask).unsqueeze(2)
        until = self.until.gather(1, last.expand(-1, -1, self.until.size(2))).squeeze(1)
        ended = (until @ end.double().exp()).clamp(min=torch.finfo(until.dtype).tiny)
        return ended.log() + self.until_scale.gather(1, last).flatten()


class _LogPartition(torch.autograd.Function):
    """The log of the sum over all paths.

    Its gradients are expected counts, which follow from the sums of both directions at once.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, scores: Tensor, mask: Tensor, transitions: Tensor, start: Tensor, end: Tensor
    ) -> Tensor:
        sums = _Sums.of(scores, mask, transitions, start, end)
        # Shape: (batch,)
        total = sums.total(end)
        ctx.save_for_backward(*sums, total, transitions, end)
        return total.to(scores.dtype)

    @staticmethod
    def backward(  # type: ignore[override]
        ctx: Any, grad: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor]:
        *parts, total, transitions, end = ctx.saved_tensors
        sums = _Sums(*parts)
        mask = sums.mask.unsqueeze(2)
        # Shape: (batch, 1, 1)
        total = total.view(-1, 1, 1)
        weight = grad.double().view(-1, 1, 1)
        # The probability of each tag. Shape: (batch, length, tags)
        logs = sums.until.log() + sums.until_scale + sums.onwards(transitions, end) - total
        of_tags = torch.where(mask, logs.exp() * weight, 0.0)
        # The probability of each two adjacent tags, without the factor of their transition.
        factors = (sums.until_scale[:, :-1] + sums.since_scale[:, 1:] - total).exp() * weight
        before = torch.where(mask[:, 1:], sums.until[:, :-1] * factors, 0.0)
        # Shape: (tags, tags)
        pairs = before.flatten(0, 1).t() @ sums.since[:, 1:].flatten(0, 1)
        pairs = pairs * transitions.double().exp()
        last = _last(sums.mask).unsqueeze(2).expand(-1, -1, of_tags.size(2))
        of_end = of_tags.gather(1, last).sum(dim=(0, 1))
        of_start = of_tags[:, 0].sum(dim=0)
        found = (of_tags, pairs, of_start, of_end)
        scores, moves, starts, ends = (gradient.to(grad.dtype) for gradient in found)
        return scores, None, moves, starts, ends


def _last(mask: Tensor) -> Tensor:
    """The position of each sentence's last token; 0 for an empty sentence. Shape: (batch, 1)."""
    return (mask.sum(dim=1, keepdim=True) - 1).clamp(min=0)
