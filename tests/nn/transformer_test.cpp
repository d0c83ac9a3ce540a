// The Transformer's block against PyTorch's.
//
//       return reverse(x).detach().requires_grad_()
//     def show(x): print(", ".join("%.17g" % v for v in reverse(x.detach()).flatten()))
//     D, heads, H, T, n = 4, 2, 3, 3, 2
//     block = torch.nn.TransformerEncoderLayer(D, heads, H, dropout=0, activation="gelu",
//                                              batch_first=True, norm_first=True)
//     for i, p in enumerate(block.parameters()): p.data = wave(i + 1, *p.shape).data
//     x = wave(13, D, T, n)
//     y = reverse(block(reverse(x), torch.ones(T, T, dtype=torch.bool).triu(1)))
//     (y * wave(14, *y.shape)).sum().backward()
//     for r in [y, x.grad] + [p.grad for p in block.parameters()]: show(r)

#include "gradtape/nn/transformer.hpp"

#include "catch.hpp"
#include "gradtape/ops/reduce.hpp"
#include "wave.hpp"

using namespace gradtape;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Case {
  Random random{1};
  nn::TransformerBlock<double> block{4, {.heads = 2, .hidden = 3}, random};
  Tape<double> tape;
  Tensor<double> x = wave::variable(tape, 13, Shape{4, 3, 2});

  Case() {
    // the norms come last among PyTorch's parameters
    auto& a = block.attention.attention;
    int i = 0;
    for (auto* w : {&a.input_weight, &a.input_bias, &a.output_weight, &a.output_bias,
                    &block.expand.weight, &block.expand.bias, &block.contract.weight,
                    &block.contract.bias, &block.attention_norm.gain, &block.attention_norm.bias,
                    &block.network_norm.gain, &block.network_norm.bias})
      wave::fill(*w, ++i);
  }
};

}  // namespace

TEST_CASE("transformer: values and gradients of PyTorch's") {
  Case at;
  auto& [random, block, tape, x] = at;
  const Tensor y = block(x, random);  // training without dropout
  CHECK(y.value() == block(x).value());
  tape.backward(sum(y * wave::constant(tape, 14, y.shape())));
  REQUIRE(y.shape() == x.shape());
  CHECK(torch::close(
      y.value(),
      {1.6941331548088141,    0.94328277953595363,  -0.25120822615267374, -1.3275520778448873,
       0.75306632450650124,   -0.65610482613596677, -1.7566996251259872,  -2.0310911412304353,
       -0.084756462791190312, 0.34787763614925282,  0.61689944707069277,  0.59578380871503034,
       0.90816098778708265,   -0.28119040627247771, -1.3382935585407911,  -1.7659763388136851,
       -0.80781555309979769,  -0.21433434461724876, 0.4799516552053118,   0.94850889213332945,
       2.6229809623128109,    0.80690635476679751,  -1.3886689196856306,  -2.931131502659488}));
  CHECK(torch::close(
      x.grad(),
      {0.35006112715762328, 1.63127246477594,     -0.60797731163835533, 0.38404484610428891,
       -1.1678534664505877, -1.5026845630582311,  -0.61326988213031342, 0.86620473798999786,
       0.50005561626178707, 0.89387684477916873,  1.2312019270658592,   0.17330392766101213,
       -1.1391140989598856, 0.015969001532983862, -2.0596937894119316,  0.32693986028873012,
       0.37915965804786234, -0.15160171555512247, 1.8521175911052294,   0.503669881652966,
       0.37511263567207503, -0.77251599577080243, -0.43562536145196873, -1.1792437797259665}));
  CHECK(torch::close(
      block.attention.attention.input_weight.grad(),
      {-0.03982461391021503,  0.53221920178831861,   -0.093881600601974327, -0.14527017328615047,
       -0.1998632456580684,   -0.71053369408928813,  0.70778640684538596,   -0.018902688426324664,
       -0.94753148870022474,  1.745212769285992,     -1.7838725116304255,   1.439717930651468,
       0.083598603152814518,  0.40210836383418153,   0.98421305648917279,   0.82512507510097977,
       -0.022092619753766845, -0.049105930881735149, 0.014175558354533565,  0.026449977051040255,
       0.60692177998823149,   -0.66792615197885241,  0.6888904877004598,    -0.74579486917648774,
       -0.037240207203518359, 0.67889552616964399,   0.31544865155974239,   0.15160848167201948,
       -0.25664581813894111,  -0.87354247619854719,  0.82430271766797736,   0.013402890428325702,
       -0.41361984103567212,  1.4441782089880542,    -1.6244525880010432,   1.2633857262648909,
       0.040229494753082268,  0.77627444672942347,   -0.7985639658550735,   -0.55037277875647594,
       -0.093137258493232233, -0.48552152195850418,  0.6658817647772447,    -0.15851755621263955,
       -3.4807572898068049,   3.6011303214416719,    -2.9173000713184258,   2.3176922334720511}));
  CHECK(torch::close(
      block.attention.attention.input_bias.grad(),
      {-0.1062307490283969, -0.47541099892463529, -0.91092005738952608, -0.80220373266712286,
       -5.5511151231257827e-16, -6.9388939039072284e-16, 0, 0, -0.14165282221727926,
       0.35270015033020607, -0.52299110017935013, 0.63284764678952188}));
  CHECK(torch::close(
      block.attention.attention.output_weight.grad(),
      {1.2700833844521529, -0.40961149724918661, 1.6386298284536087, -0.24778135991061953,
       -0.38204946390021305, -0.22551949929168788, 1.7087770347713915, 2.2570776069315985,
       -1.3685770428412956, 0.23746432223446615, 1.3355366713456231, 3.1762597967631145,
       -1.5269808528970756, 0.88089345563377219, 0.90016313079571264, 2.7002424457454093}));
  CHECK(torch::close(
      block.attention.attention.output_bias.grad(),
      {-0.057164969346376493, -0.54317378790308501, 0.050078697617048418, 0.40367021557477289}));
  CHECK(torch::close(
      block.expand.weight.grad(),
      {8.7582843161450228, -10.533232762645442, 8.4526677445886147, -2.7610925769615204,
       1.6429678842929563, 1.7170177616686266, -4.3702917643768044, 3.929322934912201,
       0.17401123243935535, -5.5171095482862285, 3.3219914912641824, 4.6834171808714276}));
  CHECK(torch::close(block.expand.bias.grad(),
                     {-4.8538745170030442, 4.1125802908946323, 1.1889034771865292}));
  CHECK(torch::close(
      block.contract.weight.grad(),
      {0.10227957873633725, -1.7103990734800045, -2.7186503157159563, -2.4482778343877114,
       -0.4139963536653517, -1.6519621312366486, -2.1129843058670157, -1.5802369451576024,
       0.35948594780858845, 1.1640445436950027, 1.421134801983934, 1.0098431570559989}));
  CHECK(torch::close(block.contract.bias.grad(), {0.72556211989341257, 0.24893698270270415,
                                                  -0.34476710720073711, -0.77632183945301914}));
  CHECK(torch::close(block.attention_norm.gain.grad(), {1.0433486899116247, -0.82121508693559198,
                                                        1.3413245609899678, -0.34584654232593903}));
  CHECK(torch::close(
      block.attention_norm.bias.grad(),
      {-1.0515362030991322, 1.5120334402651525, -0.51882741725029113, -0.97319105781967497}));
  CHECK(torch::close(block.network_norm.gain.grad(), {0.25625233223786537, -1.045493185601849,
                                                      -0.44633141559514167, 2.9967124609639386}));
  CHECK(torch::close(block.network_norm.bias.grad(), {2.5283253464654512, 1.5175895389271326,
                                                      -4.060623680683161, 2.5823905559505267}));
}

TEST_CASE("transformer: with a cache, the positions of a text in pieces give the same") {
  Case at;
  const Tensor y = at.block(at.x);
  nn::KeyValueCache<double> cache;
  for (int round = 0; round < 2; ++round) {
    const Tensor first = at.block(slice(at.x, Dim(1), 0, 2), cache),
                 second = at.block(slice(at.x, Dim(1), 2, 1), cache);
    CHECK(cache.size() == 3);
    CHECK(concat({first, second}, Dim(1)).value().isApprox(y.value(), 1e-14));
    cache.clear();
  }
}

TEST_CASE("transformer: a position depends on no later one") {
  Case at;
  const Eigen::MatrixXd y = at.block(at.x).value();
  const Tensor<double> last = at.tape.full(Shape{4, 1, 2}, 5.0);
  const Tensor<double> changed = concat({slice(at.x, Dim(1), 0, 2), last}, Dim(1));
  const Eigen::MatrixXd z = at.block(changed).value();
  for (const Index j : {0, 1, 3, 4}) CHECK(z.col(j) == y.col(j));
  for (const Index j : {2, 5}) CHECK((z.col(j) - y.col(j)).norm() > 0.1);
}

TEST_CASE("transformer: dropout leaves out what is added, and only in training") {
  Case at;
  at.block.dropout = 1;
  CHECK(at.block(at.x, at.random).value() == at.x.value());
  at.block.dropout = 0.5;
  const Eigen::MatrixXd first = at.block(at.x, at.random).value();
  CHECK(first != at.block(at.x, at.random).value());
  CHECK(at.block(at.x).value() == Case().block(at.x).value());
}

TEST_CASE("transformer: sizes, names, errors") {
  Random random(1);
  const nn::TransformerBlock<float> block(6, {.heads = 3, .dropout = 0.1}, random);
  CHECK(block.expand.weight.shape() == Shape{24, 6});
  CHECK(block.contract.weight.shape() == Shape{6, 24});
  std::vector<std::string> names;
  for_each_parameter(block, [&](const std::string& name, auto&) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"attention_norm.gain", "attention_norm.bias",
                                          "attention.input_weight", "attention.input_bias",
                                          "attention.output_weight", "attention.output_bias",
                                          "network_norm.gain", "network_norm.bias", "expand.weight",
                                          "expand.bias", "contract.weight", "contract.bias"});
  using Block = nn::TransformerBlock<float>;
  CHECK_THROWS_WITH(Block(6, {.heads = 4}, random),
                    "attention: 4 heads do not divide the 6 features");
  CHECK_THROWS_AS(Block(6, {.heads = 3, .dropout = 1.5}, random), DomainError);
  Tape<float> tape;
  CHECK_THROWS_WITH(block(tape.full(Shape{6, 2}, 0.0f)), ContainsSubstring("x is [6, 2], "));
}
