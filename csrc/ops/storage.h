#pragma once

namespace efficient_nas::ops {

// What images are stored as. Sums of bfloat16 are float32.
enum class Storage { kFloat32, kFloat64, kBfloat16 };

}  // namespace efficient_nas::ops
