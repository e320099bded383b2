// Gradients of alpha, and of the norms at the end of candidates: sums over a node's images.
#pragma once

#include <vector>

#include "flush_subnormals.h"
#include "mixed_gradients.h"
#include "mixed_terms.h"

namespace efficient_nas::ops {

// Sums of so many pixels are kept in float32: few, because alpha's gradient is one sum of all of them.
inline constexpr std::int64_t kPixelsOfProducts = 256;

template <typename Sum>
void finish_term(CellGradients<Sum>& gradients, std::size_t index, const double* products,
                 const double* totals, std::int64_t count) {
    const CellRun<Sum>& run = gradients.run;
    const Term& term = run.program.terms[index];
    const ChannelLayout& layout = run.layout_of(term);
    const double zero = term.kind == TermKind::kZero ? 0 : 1;
    double alpha_gradient = 0;
    for (std::int64_t s = 0; s < layout.sums(); ++s) {
        const std::int64_t c = s % layout.channels;
        double scale = zero, shift = 0;
        if (term.norm.kind != NormKind::kNone) {
            scale = run.inverse_deviation(term.norm, layout, c);
            if (term.norm.gamma != kAbsent) scale *= double(run.parameter(term.norm.gamma)[c]);
            if (term.norm.beta != kAbsent) shift = double(run.parameter(term.norm.beta)[c]);
        }
        alpha_gradient += scale * products[s] + shift * totals[s];
    }
    gradients.operands.alpha_gradients[term.alpha] += alpha_gradient;
    const double alpha = run.call.alphas[term.alpha] * zero;
    auto& result = term.unit == kAbsent ? gradients.terms[index] : gradients.norms[term.unit];
    result = gradients.norm_gradient(term.norm, layout, count, alpha, totals, products);
}

template <typename Sum>
void reduce_node(CellGradients<Sum>& gradients, std::size_t state) {
    const CellRun<Sum>& run = gradients.run;
    const NodeTerms<Sum> node(run, state);
    const ChannelLayout& layout = run.program.states[state].sum;
    const Image& gradient = gradients.sums[state];
    const auto terms = static_cast<std::int64_t>(node.terms().size());
    std::vector<AlignedVector<Sum>> mean_rows;
    std::vector<const void*> means;
    for (const std::size_t t : node.terms())
        mean_rows.push_back(run.affine_of(run.program.terms[t].norm, layout).mean);
    for (const auto& row : mean_rows) means.push_back(row.data());

    const Pieces pieces = run.pieces_of(gradient.size, layout);
    const std::int64_t together = run.rows_together(gradient.size.width, layout.pitch);
    // By part: the sums of each term's products, then of the gradient.
    std::vector<typename Sums<Sum>::Finished> parts(pieces.parts());
    for_each_piece(pieces.parts(), run.threads, [&](std::size_t part) {
        const FlushSubnormals flush(sizeof(Sum) == sizeof(float));
        typename NodeTerms<Sum>::Workspace memory;
        Sums<Sum> sums{(terms + 1) * layout.pitch};
        std::vector<void*> products(static_cast<std::size_t>(terms));
        Sum* buffer = nullptr;
        const auto allocate = [&](Arena arena) {
            memory = node.allocate(arena, pieces.band_rows());
            sums.current = arena.take<Sum>(sums.size);
            buffer = arena.take<Sum>(run.sums_together(gradient.size.width, layout.pitch));
            return arena.used();
        };
        allocate(Arena(scratch(allocate(Arena()))));
        std::fill_n(sums.current, sums.size, Sum{0});
        for (std::int64_t i = 0; i < terms; ++i)
            products[static_cast<std::size_t>(i)] = sums.current + i * layout.pitch;
        std::int64_t pixels = 0;
        pieces.for_each(part, [&](const Piece& piece) {
            node.begin(piece, memory);
            for (std::int64_t o = piece.first; o < piece.last; o += together) {
                const std::int64_t count = std::min(together, piece.last - o);
                node.read(piece.n, o, count, memory);
                layout.kernels->dot_rows(run.read(gradient, piece.n, o, count, buffer), memory.rows.data(),
                                         means.data(), terms, count * gradient.size.width, layout.pitch,
                                         products.data(), sums.current + terms * layout.pitch);
                pixels += count * gradient.size.width;
                if (pixels < kPixelsOfProducts) continue;
                sums.flush();
                pixels = 0;
            }
        });
        parts[part] = sums.finished();
    });
    std::vector<double> totals(static_cast<std::size_t>((terms + 1) * layout.pitch));
    for (const auto& part : parts) part.add_to(totals);
    for (std::int64_t i = 0; i < terms; ++i)
        finish_term(gradients, node.terms()[static_cast<std::size_t>(i)], totals.data() + i * layout.pitch,
                    totals.data() + terms * layout.pitch,
                    run.call.batch * gradient.size.height * gradient.size.width);
}

}  // namespace efficient_nas::ops
