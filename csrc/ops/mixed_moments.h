// Means and variances of channels, from the sums of pieces.
#pragma once

#include <cstdint>
#include <vector>

namespace efficient_nas::ops {

// Count, mean and sum of squared deviations, merged as by Chan, Golub and LeVeque (1979).
class Moments {
  public:
    explicit Moments(std::int64_t channels = 0)
        : mean_(static_cast<std::size_t>(channels)), squares_(static_cast<std::size_t>(channels)) {}

    // Adds `count` values: sums of (value - pivot) and of its squares, which are set to zero.
    template <typename Sum>
    void add(std::int64_t count, const Sum* pivot, Sum* sums, Sum* squares) {
        for (std::size_t c = 0; c < mean_.size(); ++c) {
            const double sum = double(sums[c]), n = static_cast<double>(count);
            merge(c, n, double(pivot[c]) + sum / n, double(squares[c]) - sum * sum / n);
            sums[c] = squares[c] = 0;
        }
        count_ += count;
    }

    void add(const Moments& other) {
        if (other.count_ == 0) return;
        for (std::size_t c = 0; c < mean_.size(); ++c)
            merge(c, static_cast<double>(other.count_), other.mean_[c], other.squares_[c]);
        count_ += other.count_;
    }

    // Those of `groups` images side by side as of one: channels follow each other image by image.
    Moments joined(std::int64_t groups) const {
        const std::size_t channels = mean_.size() / static_cast<std::size_t>(groups);
        Moments all(static_cast<std::int64_t>(channels));
        for (std::size_t first = 0; first < mean_.size(); first += channels) {
            for (std::size_t c = 0; c < channels; ++c)
                all.merge(c, static_cast<double>(count_), mean_[first + c], squares_[first + c]);
            all.count_ += count_;
        }
        return all;
    }

    double mean(std::size_t channel) const { return mean_[channel]; }
    // The biased variance.
    double variance(std::size_t channel) const {
        const double variance = squares_[channel] / static_cast<double>(count_);
        return variance < 0 ? 0 : variance;
    }

  private:
    void merge(std::size_t c, double count, double mean, double squares) {
        const auto before = static_cast<double>(count_);
        const double difference = mean - mean_[c], total = before + count;
        mean_[c] += difference * (count / total);
        squares_[c] += squares + difference * difference * (before * count / total);
    }

    std::int64_t count_ = 0;
    std::vector<double> mean_, squares_;
};

}  // namespace efficient_nas::ops
